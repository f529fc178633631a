/* A folder for a log under test, and its files as bytes. */
#ifndef LOG_FOLDER_H
#define LOG_FOLDER_H

#include "log_model.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static inline void folder_make(struct model *model)
{
    strcpy(model->folder, "/tmp/agentmem-log-XXXXXX");
    EXPECT(model, mkdtemp(model->folder) != NULL, "no folder");
}

/* Calls `each` with the path of every file. */
static inline void folder_each(const struct model *model, void (*each)(const char *path, void *context),
                               void *context)
{
    char path[400];
    DIR *listing = opendir(model->folder);
    for (struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;)
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", model->folder, entry->d_name);
            each(path, context);
        }
    if (listing != NULL)
        closedir(listing);
}

static inline void folder_count(const char *path, void *context)
{
    struct stat file;
    if (stat(path, &file) == 0)
        *(uint64_t *)context += (uint64_t)file.st_size;
}

static inline uint64_t folder_bytes(const struct model *model)
{
    uint64_t bytes = 0;
    folder_each(model, folder_count, &bytes);
    return bytes;
}

static inline void folder_unlink(const char *path, void *context)
{
    (void)context;
    unlink(path);
}

static inline void folder_remove(struct model *model)
{
    folder_each(model, folder_unlink, NULL);
    EXPECT(model, rmdir(model->folder) == 0, "the folder cannot be removed");
}

static inline void folder_put(struct model *model, const char *name, const void *bytes, size_t count)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", model->folder, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    EXPECT(model, fd >= 0 && write(fd, bytes, count) == (ssize_t)count, "%s cannot be written", path);
    close(fd);
}

/* The only segment's file: its name, and its bytes (to be freed). */
struct segment_file {
    char name[300];
    uint8_t *bytes;
    size_t count;
};

static inline void folder_read(const char *path, void *context)
{
    struct segment_file *file = context;
    struct stat is;
    const int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &is) != 0)
        return;
    snprintf(file->name, sizeof file->name, "%s", strrchr(path, '/') + 1);
    free(file->bytes);
    file->bytes = malloc((size_t)is.st_size + 1);
    file->count = 0;
    for (ssize_t n; (n = read(fd, file->bytes + file->count, (size_t)is.st_size - file->count)) > 0;)
        file->count += (size_t)n;
    close(fd);
}

#endif
