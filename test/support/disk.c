/*
 * A disk between SQLite and the real one, preloaded into a server under test (LD_PRELOAD).
 *
 * Power cuts: before each write to the database or its write-ahead log it keeps the bytes that were there, in
 * DISK_UNDO/<name>.undo, and forgets them when a sync has returned. After a SIGKILL that file says what a real power
 * cut could have taken; disk.ts takes it. With DISK_LIES=1 a sync forgets nothing, as a disk that lies about it.
 *
 * Faults: while DISK_FAULT names a file that holds "write 28" or "sync 5", each write or sync fails with that errno. With
 * "write 30" (EROFS) whoever asks is told that nothing here can be written.
 *
 * A record of the undo file, in the machine's byte order: offset, length of the write, size of the file before it, how
 * many old bytes follow; a length of -1 is a truncation to `offset`.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define MAX_FD 65536
#define MAX_FILES 8

struct file {
  char name[256];
  int undo;
};

static struct file files[MAX_FILES];
static int file_count;
static unsigned char file_of[MAX_FD]; /* 0: not ours; else an index into files, plus one */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int (*real_open64)(const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_ftruncate64)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_access)(const char *, int);

__attribute__((constructor)) static void find_real(void) {
  real_open64 = dlsym(RTLD_NEXT, "open64");
  real_close = dlsym(RTLD_NEXT, "close");
  real_pwrite64 = dlsym(RTLD_NEXT, "pwrite64");
  real_write = dlsym(RTLD_NEXT, "write");
  real_ftruncate64 = dlsym(RTLD_NEXT, "ftruncate64");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_access = dlsym(RTLD_NEXT, "access");
}

static struct file *tracked(int fd) {
  if (fd < 0 || fd >= MAX_FD || file_of[fd] == 0) return NULL;
  return &files[file_of[fd] - 1];
}

/* A harness that cannot keep its record must not go on as if it had. */
static void die(const char *why) {
  perror(why);
  abort();
}

static void keep(struct file *file, const void *bytes, size_t count) {
  if (file->undo < 0 || count == 0) return;
  if (real_write(file->undo, bytes, count) != (ssize_t)count) die("disk.c: undo record");
}

/* The errno that this kind of call is to fail with; 0: none. */
static int fault(const char *kind) {
  const char *path = getenv("DISK_FAULT");
  if (!path) return 0;
  int fd = real_open64(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[64] = {0}, found[16];
  int number = 0;
  ssize_t count = read(fd, text, sizeof text - 1);
  real_close(fd);
  return count > 0 && sscanf(text, "%15s %d", found, &number) == 2 && strcmp(found, kind) == 0 ? number : 0;
}

static int ends_with(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a >= b && strcmp(text + a - b, end) == 0;
}

static void track(int fd, const char *path) {
  if (fd < 0 || fd >= MAX_FD) return;
  if (!ends_with(path, "/sacm.sqlite") && !ends_with(path, "/sacm.sqlite-wal")) return;
  const char *name = strrchr(path, '/') + 1;
  pthread_mutex_lock(&lock);
  int at = 0;
  while (at < file_count && strcmp(files[at].name, name) != 0) at++;
  if (at == file_count && file_count < MAX_FILES) {
    const char *folder = getenv("DISK_UNDO");
    strncpy(files[at].name, name, sizeof files[at].name - 1);
    files[at].undo = -1;
    if (folder) {
      char undo[4096];
      snprintf(undo, sizeof undo, "%s/%s.undo", folder, name);
      files[at].undo = real_open64(undo, O_WRONLY | O_CREAT | O_APPEND | O_TRUNC | O_CLOEXEC, 0600);
      if (files[at].undo < 0) die("disk.c: undo file");
    }
    file_count++;
  }
  file_of[fd] = at + 1;
  pthread_mutex_unlock(&lock);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  int fd = real_open64(path, flags, mode);
  /* SQLite opens its files for reading and writing; whoever only reads them needs no record. */
  if ((flags & O_ACCMODE) == O_RDWR) track(fd, path);
  return fd;
}

int close(int fd) {
  if (fd >= 0 && fd < MAX_FD) file_of[fd] = 0;
  return real_close(fd);
}

static off64_t size_of(int fd) {
  struct stat64 found;
  if (fstat64(fd, &found) != 0) die("disk.c: fstat");
  return found.st_size;
}

/* One record: what lies at `offset`, at most `count` bytes, of a file of `size` bytes. */
static void remember(int fd, struct file *file, off64_t offset, int64_t length, size_t count, off64_t size) {
  char *bytes = malloc(count + 32);
  if (!bytes) die("disk.c: memory");
  ssize_t old = count > 0 ? pread64(fd, bytes + 32, count, offset) : 0;
  if (old < 0) die("disk.c: old bytes");
  int64_t head[4] = {offset, length, size, old};
  memcpy(bytes, head, sizeof head);
  keep(file, bytes, 32 + old);
  free(bytes);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  struct file *file = tracked(fd);
  if (!file) return real_pwrite64(fd, bytes, count, offset);
  int error = fault("write");
  if (error) {
    errno = error;
    return -1;
  }
  pthread_mutex_lock(&lock);
  if (file->undo >= 0) remember(fd, file, offset, count, count, size_of(fd));
  ssize_t written = real_pwrite64(fd, bytes, count, offset);
  pthread_mutex_unlock(&lock);
  return written;
}

int ftruncate64(int fd, off64_t size) {
  struct file *file = tracked(fd);
  if (!file) return real_ftruncate64(fd, size);
  pthread_mutex_lock(&lock);
  if (file->undo >= 0) {
    off64_t before = size_of(fd);
    remember(fd, file, size, -1, before > size ? before - size : 0, before);
  }
  int result = real_ftruncate64(fd, size);
  pthread_mutex_unlock(&lock);
  return result;
}

int access(const char *path, int mode) {
  if ((mode & W_OK) && fault("write") == EROFS) {
    errno = EROFS;
    return -1;
  }
  return real_access(path, mode);
}

static int synced(int fd, int (*sync)(int)) {
  struct file *file = tracked(fd);
  if (!file) return sync(fd);
  int error = fault("sync");
  if (error) {
    errno = error;
    return -1;
  }
  /* Held meanwhile: what another thread writes during the sync is not covered by it. */
  pthread_mutex_lock(&lock);
  int result = sync(fd);
  if (result == 0 && file->undo >= 0 && !getenv("DISK_LIES") && real_ftruncate64(file->undo, 0) != 0)
    die("disk.c: undo file");
  pthread_mutex_unlock(&lock);
  return result;
}

int fsync(int fd) { return synced(fd, real_fsync); }

int fdatasync(int fd) { return synced(fd, real_fdatasync); }
