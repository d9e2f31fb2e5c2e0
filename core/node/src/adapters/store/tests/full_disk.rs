//! A real full disk (attack 8): a tmpfs of a few megabytes, which only root can mount.

use std::process::Command;

use super::*;

struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!(
                "SKIPPED: no tmpfs can be mounted here (not root?): a really full disk is NOT tested"
            );
        }
        mounted.then_some(Self(dir))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_is_told_and_survived() {
    for index in [IndexKind::Memory, IndexKind::Sled] {
        let Some(disk) = Mounted::new(5) else { return };
        let dir = disk.0.path().join("data");
        let ballast = disk.0.path().join("ballast");
        fs::write(&ballast, vec![1; 1 << 20]).unwrap();
        let options = || Options {
            index,
            ..Options::default()
        };
        let store = DiskStore::open(&dir, options()).unwrap().store;
        let big = vec![1; 60_000];
        let value = |n: u32| n.to_be_bytes().repeat(5000);
        let mut acknowledged = 0u32;
        let refused = loop {
            match store.commit(put(&acknowledged.to_be_bytes(), &value(acknowledged))) {
                Ok(()) => acknowledged += 1,
                Err(error) => break Err(error),
            }
        };
        assert!(is_full(&refused), "{refused:?}");
        assert!(acknowledged > 50, "{acknowledged}");
        let all_there = |store: &DiskStore| {
            for number in (0..acknowledged).step_by(11) {
                assert_eq!(get(store, &number.to_be_bytes()), Some(value(number)));
            }
            assert_eq!(store.stats().keys, u64::from(acknowledged));
        };
        all_there(&store);
        // Still full: refused again, and readable again after a stop and a start.
        assert!(is_full(&store.commit(put(b"more", &big))));
        drop(store);
        let opened = DiskStore::open(&dir, options()).unwrap();
        assert_eq!(opened.damage, None);
        let store = opened.store;
        all_there(&store);
        assert!(is_full(&store.commit(put(b"more", &big))));
        fs::remove_file(&ballast).unwrap();
        store.commit(put(b"more", &big)).unwrap();
        store
            .commit(Batch {
                ops: vec![Op::Delete(Table::Messages, b"more".to_vec())],
            })
            .unwrap();
        all_there(&store);
        drop(store);
        let store = open(&dir);
        all_there(&store);
        assert_eq!(contents(&store).len() as u32, acknowledged);
    }
}
