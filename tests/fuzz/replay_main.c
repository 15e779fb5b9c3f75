/* Replays a fuzz target's committed corpus as an ordinary test: every file of the directories (and every file)
 * named on the command line goes through the target once, each in a block of its own, so that a sanitizer
 * sees an overrun. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATH_MAX_BYTES = 4096, FILE_MAX_BYTES = 16 << 20 };

static int replay_file(const char *path)
{
    struct stat about;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fstat(fileno(file), &about) != 0 || about.st_size > FILE_MAX_BYTES) {
        perror(path);
        if (file != NULL) {
            (void)fclose(file); /* nothing was written */
        }
        return -1;
    }
    size_t size = (size_t)about.st_size;
    uint8_t *data = malloc(size > 0 ? size : 1);
    int result = data == NULL || fread(data, 1, size, file) != size ? -1 : 0;
    if (result == 0) {
        (void)LLVMFuzzerTestOneInput(data, size); /* a finding ends the process */
    } else {
        perror(path);
    }
    free(data);
    (void)fclose(file); /* nothing was written */
    return result;
}

static int replay_directory(const char *directory, unsigned *count)
{
    DIR *open = opendir(directory);
    if (open == NULL) {
        perror(directory);
        return -1;
    }
    int result = 0;
    for (const struct dirent *entry = readdir(open); entry != NULL && result == 0;
         entry = readdir(open)) {
        char path[PATH_MAX_BYTES];
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        result = replay_file(path);
        *count += 1;
    }
    (void)closedir(open); /* it was read to its end */
    return result;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    for (int i = 1; i < argc; i++) {
        struct stat about;
        if (stat(argv[i], &about) != 0) {
            perror(argv[i]);
            return 1;
        }
        int result =
            S_ISDIR(about.st_mode) ? replay_directory(argv[i], &count) : replay_file(argv[i]);
        count += S_ISDIR(about.st_mode) ? 0 : 1;
        if (result != 0) {
            return 1;
        }
    }
    printf("%u inputs replayed\n", count);
    return count > 0 ? 0 : 1;
}
