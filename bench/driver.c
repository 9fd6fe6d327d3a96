/*
 * The workloads of bench.ts as plain system calls, so that the same few instructions are timed on every filesystem.
 * Prints one line `operations seconds`. Usage: driver WORKLOAD DIRECTORY COUNT ROUND
 * ROUND is part of the names of new files, so that each round makes its own.
 *
 *   prepare   makes COUNT files of 100 bytes in 100 directories and big.bin of COUNT * 16 KiB (not timed)
 *   stat      stats the COUNT files by path
 *   find      walks the tree and stats what it meets
 *   absent    stats COUNT names that do not exist
 *   seqread   reads big.bin in 128 KiB blocks (operations are MiB)
 *   randread  preads COUNT random 4 KiB blocks of big.bin
 *   create    creates, writes 4 KiB to and closes COUNT new files
 *   seqwrite  writes COUNT * 16 KiB to a new file in 128 KiB blocks and closes it (operations are MiB)
 *   open      opens, reads 4 KiB of and closes COUNT files
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DIRECTORIES = 100, BLOCK = 128 * 1024, PAGE = 4096, BYTES_PER_COUNT = 16 * 1024 };

static char buffer[BLOCK];

static void fail(const char *what) {
  fprintf(stderr, "driver: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static uint32_t seed = 12345;
static uint32_t random32(void) {
  seed ^= seed << 13;
  seed ^= seed >> 17;
  return seed ^= seed << 5;
}

static void path_of(char *path, size_t size, const char *kind, long i) {
  snprintf(path, size, "d%02ld/%s%06ld", i % DIRECTORIES, kind, i);
}

static void write_file(const char *path, size_t size) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) fail(path);
  for (size_t done = 0; done < size;) {
    size_t part = size - done < BLOCK ? size - done : BLOCK;
    ssize_t n = write(fd, buffer, part);
    if (n < 0) fail(path);
    done += (size_t)n;
  }
  if (close(fd) != 0) fail(path);
}

static long visited;
static int visit(const char *path, const struct stat *st, int type, struct FTW *where) {
  (void)path, (void)st, (void)type, (void)where;
  visited++;
  return 0;
}

static void prepare(long count) {
  char path[64];
  for (int i = 0; i < DIRECTORIES; i++) {
    snprintf(path, sizeof path, "d%02d", i);
    if (mkdir(path, 0755) != 0 && errno != EEXIST) fail(path);
  }
  for (long i = 0; i < count; i++) {
    path_of(path, sizeof path, "f", i);
    write_file(path, 100);
  }
  write_file("big.bin", (size_t)count * BYTES_PER_COUNT);
}

static double run(const char *workload, long count, const char *round) {
  char path[64];
  struct stat st;
  if (strcmp(workload, "stat") == 0) {
    for (long i = 0; i < count; i++) {
      path_of(path, sizeof path, "f", i);
      if (stat(path, &st) != 0) fail(path);
    }
    return count;
  }
  if (strcmp(workload, "absent") == 0) {
    for (long i = 0; i < count; i++) {
      path_of(path, sizeof path, "no", i);
      if (stat(path, &st) == 0 || errno != ENOENT) fail(path);
    }
    return count;
  }
  if (strcmp(workload, "find") == 0) {
    if (nftw(".", visit, 32, FTW_PHYS) != 0) fail("walk");
    return visited;
  }
  if (strcmp(workload, "create") == 0) {
    char kind[32];
    snprintf(kind, sizeof kind, "new%.16s-", round);
    for (long i = 0; i < count; i++) {
      path_of(path, sizeof path, kind, i);
      write_file(path, PAGE);
    }
    return count;
  }
  if (strcmp(workload, "open") == 0) {
    for (long i = 0; i < count; i++) {
      path_of(path, sizeof path, "f", i);
      int fd = open(path, O_RDONLY);
      if (fd < 0 || read(fd, buffer, PAGE) < 0) fail(path);
      close(fd);
    }
    return count;
  }
  if (strcmp(workload, "seqwrite") == 0) {
    snprintf(path, sizeof path, "written%.16s.bin", round);
    write_file(path, (size_t)count * BYTES_PER_COUNT);
    return count * (double)BYTES_PER_COUNT / (1 << 20);
  }
  int fd = open("big.bin", O_RDONLY);
  if (fd < 0 || fstat(fd, &st) != 0) fail("big.bin");
  double operations = 0;
  if (strcmp(workload, "seqread") == 0) {
    for (ssize_t n; (n = read(fd, buffer, BLOCK)) != 0; operations += n / 1048576.0)
      if (n < 0) fail("big.bin");
  } else if (strcmp(workload, "randread") == 0) {
    long pages = st.st_size / PAGE;
    for (long i = 0; i < count; i++)
      if (pread(fd, buffer, PAGE, (off_t)(random32() % pages) * PAGE) != PAGE) fail("big.bin");
    operations = count;
  } else {
    errno = EINVAL;
    fail(workload);
  }
  close(fd);
  return operations;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: driver WORKLOAD DIRECTORY COUNT ROUND\n");
    return 2;
  }
  long count = atol(argv[3]);
  if (chdir(argv[2]) != 0) fail(argv[2]);
  memset(buffer, 'x', sizeof buffer);
  if (strcmp(argv[1], "prepare") == 0) {
    prepare(count);
    return 0;
  }
  double start = now();
  double operations = run(argv[1], count, argv[4]);
  printf("%.3f %.9f\n", operations, now() - start);
  return 0;
}
