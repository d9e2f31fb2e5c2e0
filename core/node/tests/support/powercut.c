/*
 * A power cut for one process, as an LD_PRELOAD library.
 *
 * Every change below $POWERCUT_ROOT goes through to the file system at once, but what it replaced is
 * remembered until fsync or fdatasync of that file (or, for names, fsync of the directory). After
 * $POWERCUT_AFTER changes the power goes: each 512-byte sector that was not synced is kept or put
 * back by a coin ($POWERCUT_SEED), unsynced lengths likewise, unsynced names survive up to a random
 * point of their order (as on a file system with a metadata journal), and the process kills itself.
 * Old files live in $POWERCUT_GRAVE (same file system) until their replacement is synced.
 *
 * sync_file_range promises nothing and is treated so. $POWERCUT_DEAF=1 makes fsync and fdatasync
 * promise nothing either: the control run that has to lose data.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SECTOR 512
#define MAX_FD 4096

struct sector { uint64_t no; struct sector *next; unsigned char old[SECTOR]; };

/* One file with changes that are not durable yet. */
struct inode {
    dev_t dev; ino_t ino;
    off_t durable_size;
    int fd; /* our own descriptor, for putting sectors back */
    struct sector *sectors[4096];
    struct inode *next;
};

enum name_kind { CREATED, RENAMED, UNLINKED, MADE_DIR, REMOVED_DIR };
/* One change of a name that is not durable yet; newest first. */
struct name {
    enum name_kind kind;
    char from[PATH_MAX], to[PATH_MAX], grave[PATH_MAX]; /* grave: what the change replaced */
    char dir[PATH_MAX];
    struct name *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct inode *inodes;
static struct name *names;
static char *fd_path[MAX_FD];
static const char *root, *grave;
static size_t root_len;
static long left = -1, graves;
static int deaf, ready;
static uint64_t state;


static uint64_t chance(void)
{
    state += 0x9E3779B97F4A7C15ull;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

static void setup(void)
{
    if (ready) return;
    ready = 1;
    root = getenv("POWERCUT_ROOT");
    grave = getenv("POWERCUT_GRAVE");
    root_len = root ? strlen(root) : 0;
    if (!grave) root = NULL;
    const char *n = getenv("POWERCUT_AFTER"), *s = getenv("POWERCUT_SEED"), *d = getenv("POWERCUT_DEAF");
    if (n) left = atol(n);
    if (s) state = strtoull(s, NULL, 10);
    deaf = d && d[0] == '1';
}

static int ours(const char *path)
{
    setup();
    return root && path && !strncmp(path, root, root_len) && (path[root_len] == '/' || !path[root_len]);
}

static void die(const char *what)
{
    dprintf(2, "powercut: %s: %s\n", what, strerror(errno));
    _exit(99);
}

static void parent_of(const char *path, char *out)
{
    snprintf(out, PATH_MAX, "%s", path);
    char *slash = strrchr(out, '/');
    if (slash) *slash = 0;
}

static struct inode *inode_of(int fd, int make)
{
    struct stat st;
    if (syscall(SYS_fstat, fd, &st)) die("fstat");
    for (struct inode *i = inodes; i; i = i->next)
        if (i->dev == st.st_dev && i->ino == st.st_ino) return i;
    if (!make) return NULL;
    struct inode *i = calloc(1, sizeof *i);
    char own[64];
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    i->dev = st.st_dev; i->ino = st.st_ino; i->durable_size = st.st_size;
    i->fd = (int)syscall(SYS_openat, AT_FDCWD, own, O_RDWR | O_CLOEXEC);
    if (i->fd < 0) die("own descriptor");
    i->next = inodes; inodes = i;
    return i;
}

static void remember(struct inode *i, off_t from, off_t to)
{
    for (uint64_t no = from / SECTOR; (off_t)(no * SECTOR) < to; no++) {
        struct sector **slot = &i->sectors[no % 4096], *s;
        for (s = *slot; s && s->no != no; s = s->next) {}
        if (s) continue;
        s = calloc(1, sizeof *s);
        s->no = no;
        if (syscall(SYS_pread64, i->fd, s->old, SECTOR, (off_t)(no * SECTOR)) < 0) die("pread");
        s->next = *slot; *slot = s;
    }
}

static void forget(struct inode *i)
{
    struct stat st;
    for (int n = 0; n < 4096; n++) {
        while (i->sectors[n]) { struct sector *s = i->sectors[n]; i->sectors[n] = s->next; free(s); }
    }
    if (syscall(SYS_fstat, i->fd, &st)) die("fstat");
    i->durable_size = st.st_size;
}

/* The cut. The lock is held, so nothing else moves. */
static void cut(void)
{
    struct name *all[65536]; int count = 0;
    for (struct inode *i = inodes; i; i = i->next) {
        struct stat st;
        if (syscall(SYS_fstat, i->fd, &st)) die("fstat");
        int keep_most = chance() % 3; /* 0: lose all, 1: coin per sector, 2: keep nearly all */
        off_t size = st.st_size;
        if (size < i->durable_size && (chance() & 1)) size = i->durable_size; /* the shortening was lost */
        if (size > i->durable_size) { /* the growth was lost, in part or whole */
            switch (chance() % 3) {
            case 0: size = i->durable_size; break;
            case 1: size = i->durable_size + (off_t)(chance() % (uint64_t)(size - i->durable_size + 1)); break;
            default: break;
            }
        }
        if (syscall(SYS_ftruncate, i->fd, size)) die("ftruncate");
        for (int n = 0; n < 4096; n++) for (struct sector *s = i->sectors[n]; s; s = s->next) {
            off_t at = (off_t)(s->no * SECTOR);
            if (at >= size) continue;
            int restored = st.st_size < i->durable_size && size == i->durable_size && at + SECTOR > st.st_size;
            int lose = keep_most == 0 || (keep_most == 1 && (chance() & 1)) || (keep_most == 2 && chance() % 16 == 0);
            if (!lose && !restored) continue;
            size_t len = size - at < SECTOR ? (size_t)(size - at) : SECTOR;
            if (syscall(SYS_pwrite64, i->fd, s->old, len, at) < 0) die("pwrite");
        }
    }
    for (struct name *n = names; n && count < 65536; n = n->next) all[count++] = n;
    int undo = count ? (int)(chance() % (uint64_t)(count + 1)) : 0; /* the newest ones go */
    for (int k = 0; k < undo; k++) {
        struct name *n = all[k];
        switch (n->kind) {
        case CREATED: syscall(SYS_unlinkat, AT_FDCWD, n->to, 0); break;
        case MADE_DIR: syscall(SYS_unlinkat, AT_FDCWD, n->to, AT_REMOVEDIR); break;
        case RENAMED: syscall(SYS_renameat2, AT_FDCWD, n->to, AT_FDCWD, n->from, 0);
            if (n->grave[0]) syscall(SYS_renameat2, AT_FDCWD, n->grave, AT_FDCWD, n->to, 0);
            break;
        case UNLINKED: syscall(SYS_renameat2, AT_FDCWD, n->grave, AT_FDCWD, n->to, 0); break;
        case REMOVED_DIR: syscall(SYS_mkdirat, AT_FDCWD, n->to, 0700); break;
        }
    }
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static void changed(void)
{
    if (left > 0 && --left == 0) cut();
}

static void bury(const char *path, char *out)
{
    snprintf(out, PATH_MAX, "%s/%ld", grave, graves++);
    if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, out, 0)) out[0] = 0;
}

static void log_name(enum name_kind kind, const char *from, const char *to, const char *buried)
{
    struct name *n = calloc(1, sizeof *n);
    n->kind = kind;
    snprintf(n->from, PATH_MAX, "%s", from ? from : "");
    snprintf(n->to, PATH_MAX, "%s", to);
    snprintf(n->grave, PATH_MAX, "%s", buried ? buried : "");
    parent_of(to, n->dir);
    n->next = names; names = n;
}

/* fsync of a directory: its names are durable, and so are those before them. */
static void names_synced(const char *dir)
{
    struct name **at = &names;
    while (*at && strcmp((*at)->dir, dir)) at = &(*at)->next;
    for (struct name *n = *at, *next; n; n = next) {
        next = n->next;
        if (n->grave[0]) syscall(SYS_unlinkat, AT_FDCWD, n->grave, 0);
        free(n);
    }
    *at = NULL;
}

static void absolute(int dirfd, const char *path, char *out)
{
    if (path[0] == '/') { snprintf(out, PATH_MAX, "%s", path); return; }
    char base[PATH_MAX], link[64];
    if (dirfd == AT_FDCWD) { if (!getcwd(base, sizeof base)) base[0] = 0; }
    else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
        ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, link, base, sizeof base - 1);
        base[n > 0 ? n : 0] = 0;
    }
    if (snprintf(out, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) out[0] = 0;
}

static int do_open(int dirfd, const char *path, int flags, mode_t mode)
{
    char full[PATH_MAX];
    absolute(dirfd, path, full);
    if (!ours(full)) return (int)syscall(SYS_openat, dirfd, path, flags, mode);
    pthread_mutex_lock(&lock);
    int existed = !syscall(SYS_faccessat, AT_FDCWD, full, F_OK);
    if (existed && (flags & O_TRUNC)) {
        int peek = (int)syscall(SYS_openat, AT_FDCWD, full, O_RDWR | O_CLOEXEC);
        if (peek >= 0) {
            struct stat st;
            struct inode *i = inode_of(peek, 1);
            if (!syscall(SYS_fstat, peek, &st)) remember(i, 0, st.st_size);
            syscall(SYS_close, peek);
        }
    }
    int fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
    int saved = errno;
    if (fd >= 0 && fd < MAX_FD) {
        free(fd_path[fd]);
        fd_path[fd] = strdup(full);
        if (!existed && (flags & O_CREAT)) { log_name(CREATED, NULL, full, NULL); changed(); }
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return fd;
}

#define OPEN_MODE mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list ap; va_start(ap, flags); mode = va_arg(ap, mode_t); va_end(ap); }
int open(const char *path, int flags, ...) { OPEN_MODE return do_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { OPEN_MODE return do_open(AT_FDCWD, path, flags, mode); }
int openat(int d, const char *path, int flags, ...) { OPEN_MODE return do_open(d, path, flags, mode); }
int openat64(int d, const char *path, int flags, ...) { OPEN_MODE return do_open(d, path, flags, mode); }

int close(int fd)
{
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < MAX_FD) { free(fd_path[fd]); fd_path[fd] = NULL; }
    pthread_mutex_unlock(&lock);
    return (int)syscall(SYS_close, fd);
}

static int tracked(int fd) { return fd >= 0 && fd < MAX_FD && fd_path[fd]; }

static ssize_t write_at(int fd, const void *buf, size_t len, off_t at, int positioned)
{
    pthread_mutex_lock(&lock);
    ssize_t n;
    if (!tracked(fd)) {
        pthread_mutex_unlock(&lock);
        return positioned ? syscall(SYS_pwrite64, fd, buf, len, at) : syscall(SYS_write, fd, buf, len);
    }
    if (!positioned) {
        struct stat st;
        int append = (int)syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND;
        if (syscall(SYS_fstat, fd, &st)) die("fstat");
        at = append ? st.st_size : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    }
    remember(inode_of(fd, 1), at, at + (off_t)len);
    n = positioned ? syscall(SYS_pwrite64, fd, buf, len, at) : syscall(SYS_write, fd, buf, len);
    int saved = errno;
    changed();
    pthread_mutex_unlock(&lock);
    errno = saved;
    return n;
}

ssize_t write(int fd, const void *b, size_t n) { return write_at(fd, b, n, 0, 0); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t o) { return write_at(fd, b, n, o, 1); }
ssize_t pwrite64(int fd, const void *b, size_t n, off_t o) { return write_at(fd, b, n, o, 1); }
ssize_t writev(int fd, const struct iovec *v, int c)
{
    if (!tracked(fd)) return syscall(SYS_writev, fd, v, c);
    for (int k = 0; k < c; k++) if (v[k].iov_len) return write(fd, v[k].iov_base, v[k].iov_len);
    return 0;
}

static int do_truncate(int fd, off_t size)
{
    pthread_mutex_lock(&lock);
    if (tracked(fd)) {
        struct stat st;
        struct inode *i = inode_of(fd, 1);
        if (syscall(SYS_fstat, fd, &st)) die("fstat");
        if (size < st.st_size) remember(i, size, st.st_size);
    }
    int r = (int)syscall(SYS_ftruncate, fd, size), saved = errno;
    if (tracked(fd)) changed();
    pthread_mutex_unlock(&lock);
    errno = saved;
    return r;
}
int ftruncate(int fd, off_t s) { return do_truncate(fd, s); }
int ftruncate64(int fd, off_t s) { return do_truncate(fd, s); }

static int do_sync(int fd, long call)
{
    pthread_mutex_lock(&lock);
    int r = 0;
    if (!tracked(fd)) r = (int)syscall(call, fd);
    else {
        changed(); /* the cut may come before the device has answered */
        if (!deaf) {
            struct inode *i = inode_of(fd, 0);
            if (i) forget(i);
            struct stat st;
            if (!syscall(SYS_fstat, fd, &st) && S_ISDIR(st.st_mode)) names_synced(fd_path[fd]);
        }
    }
    pthread_mutex_unlock(&lock);
    return r;
}
int fsync(int fd) { return do_sync(fd, SYS_fsync); }
int fdatasync(int fd) { return do_sync(fd, SYS_fdatasync); }
int sync_file_range(int fd, off_t o, off_t n, unsigned f) { (void)fd; (void)o; (void)n; (void)f; return 0; }

static int do_rename(int fd, const char *from, int td, const char *to, unsigned flags)
{
    char a[PATH_MAX], b[PATH_MAX], g[PATH_MAX] = "";
    absolute(fd, from, a); absolute(td, to, b);
    pthread_mutex_lock(&lock);
    int mine = ours(a) && ours(b);
    if (mine) bury(b, g);
    int r = (int)syscall(SYS_renameat2, fd, from, td, to, flags), saved = errno;
    if (mine && !r) { log_name(RENAMED, a, b, g); changed(); }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return r;
}
int rename(const char *a, const char *b) { return do_rename(AT_FDCWD, a, AT_FDCWD, b, 0); }
int renameat(int f, const char *a, int t, const char *b) { return do_rename(f, a, t, b, 0); }
int renameat2(int f, const char *a, int t, const char *b, unsigned x) { return do_rename(f, a, t, b, x); }

static int do_unlink(int fd, const char *path, int flags)
{
    char a[PATH_MAX], g[PATH_MAX] = "";
    absolute(fd, path, a);
    pthread_mutex_lock(&lock);
    int mine = ours(a);
    if (mine && !(flags & AT_REMOVEDIR)) bury(a, g);
    int r = (int)syscall(SYS_unlinkat, fd, path, flags), saved = errno;
    if (mine && !r) { log_name(flags & AT_REMOVEDIR ? REMOVED_DIR : UNLINKED, NULL, a, g); changed(); }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return r;
}
int unlink(const char *p) { return do_unlink(AT_FDCWD, p, 0); }
int unlinkat(int d, const char *p, int f) { return do_unlink(d, p, f); }
int rmdir(const char *p) { return do_unlink(AT_FDCWD, p, AT_REMOVEDIR); }

static int do_mkdir(int fd, const char *path, mode_t mode)
{
    char a[PATH_MAX];
    absolute(fd, path, a);
    pthread_mutex_lock(&lock);
    int r = (int)syscall(SYS_mkdirat, fd, path, mode), saved = errno;
    if (ours(a) && !r) { log_name(MADE_DIR, NULL, a, NULL); changed(); }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return r;
}
int mkdir(const char *p, mode_t m) { return do_mkdir(AT_FDCWD, p, m); }
int mkdirat(int d, const char *p, mode_t m) { return do_mkdir(d, p, m); }
