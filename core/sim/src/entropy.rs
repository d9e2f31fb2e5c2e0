//! Seeded randomness for everything in this process that asks the operating system, hash tables included.
//!
//! All of them end in the C function `getrandom`, which this binary defines: std's hash seeds and the crate
//! `getrandom` look it up in the program first. Only the thread of a run is answered from its seed; every other
//! thread gets the kernel's. This module belongs to `sovereign-sim` alone: no node that talks to real people is
//! linked with it (ADR 0025).

#![allow(unsafe_code, reason = "a C function is defined")]

use std::{cell::RefCell, ffi};

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

thread_local! {
    static SEEDED: RefCell<Option<ChaCha20Rng>> = const { RefCell::new(None) };
}

/// From now on this thread's randomness follows from the seed.
///
/// # Errors
/// When the operating system's is still what is drawn: on this platform runs cannot be repeated.
pub(crate) fn seed(seed: u64) -> Result<(), NotSeeded> {
    let rng = ChaCha20Rng::seed_from_u64(seed);
    let mut expected = [0; 16];
    rng.clone().fill_bytes(&mut expected);
    SEEDED.set(Some(rng));
    let mut drawn = [0; 16];
    getrandom::fill(&mut drawn).map_err(|_| NotSeeded)?;
    if drawn == expected {
        Ok(())
    } else {
        Err(NotSeeded)
    }
}

/// The operating system's randomness cannot be replaced here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "runs cannot be repeated on this system: its randomness cannot be seeded (it can on Linux)"
)]
pub(crate) struct NotSeeded;

/// As getrandom(2); see the module.
///
/// # Safety
/// `buffer` has room for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(
    buffer: *mut ffi::c_void,
    length: usize,
    flags: ffi::c_uint,
) -> isize {
    if length == 0 {
        return 0;
    }
    // SAFETY: the caller promises so much room; it is initialised before it is lent out.
    let bytes = unsafe {
        std::ptr::write_bytes(buffer.cast::<u8>(), 0, length);
        std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length)
    };
    let seeded = SEEDED.try_with(|seeded| match seeded.try_borrow_mut() {
        Ok(mut seeded) => seeded.as_mut().map(|rng| rng.fill_bytes(bytes)).is_some(),
        Err(_) => false,
    });
    if seeded == Ok(true) {
        return isize::try_from(length).unwrap_or(isize::MAX);
    }
    // SAFETY: the kernel's own, with the caller's arguments; it sets errno itself.
    let got = unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) };
    got as isize
}
