/* An answer whose body comes as it is written. Between two writes the connection is suspended, so that a thousand
 * silent streams cost nothing but memory. */
#include <poll.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"
#include "proto/http/private.h"

#include "proto/base/banned.h"

enum { BLOCK_BYTES = 4 << 10 };

/* Two hold it: the writer until http_stream_end, the request until it is over. The lock guards everything below it; it
 * is taken before any of libmicrohttpd's. */
struct http_stream {
    struct http_server *server;
    size_t bytes_max;
    pthread_mutex_t lock;
    unsigned holders;
    struct MHD_Connection *mhd;
    struct connection *connection; /* may be NULL */
    uint8_t *bytes;                /* those from `sent` to `len` wait */
    size_t len;
    size_t sent;
    bool is_suspended;
    bool is_ended; /* the writer has finished */
    bool is_over;  /* the request has; mhd and connection are not there any more */
    bool is_cut;
};

static void let_go(struct http_stream *stream)
{
    bool is_last = --stream->holders == 0;
    (void)pthread_mutex_unlock(&stream->lock);
    if (is_last) {
        (void)pthread_mutex_destroy(&stream->lock);
        mem_free(stream->bytes);
        mem_free(stream);
    }
}

/* With the lock held. */
static void wake(struct http_stream *stream)
{
    if (stream->is_suspended) {
        stream->is_suspended = false;
        MHD_resume_connection(stream->mhd);
        atomic_fetch_sub(&stream->server->suspended_count, 1);
    }
}

/* On the connection's thread, when the last block has gone out. */
static ssize_t block_take(void *cls, uint64_t position, char *block, size_t block_max)
{
    struct http_stream *stream = cls;
    (void)position;
    (void)pthread_mutex_lock(&stream->lock);
    size_t len = stream->len - stream->sent;
    len = len < block_max ? len : block_max;
    ssize_t taken = (ssize_t)len;
    if (len > 0) {
        memcpy(block, stream->bytes + stream->sent, len);
        stream->sent += len;
        connection_wait_for(stream->connection, WAIT_FOR_READER, stream->server->body_ms_max);
    } else if (stream->is_ended || stream->is_cut) {
        taken =
            stream->is_cut ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        connection_wait_for(stream->connection, WAIT_FOR_NOTHING, 0);
        stream->is_suspended = true;
        atomic_fetch_add(&stream->server->suspended_count, 1);
        MHD_suspend_connection(stream->mhd);
    }
    (void)pthread_mutex_unlock(&stream->lock);
    return taken;
}

struct MHD_Response *stream_response(struct http_stream *stream)
{
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, block_take, stream,
                                             NULL);
}

void stream_over(struct http_stream *stream)
{
    (void)pthread_mutex_lock(&stream->lock);
    INVARIANT(!stream->is_suspended);
    stream->is_over = true;
    stream->mhd = NULL;
    stream->connection = NULL;
    let_go(stream);
}

err_t http_stream_begin(struct http_request *request, const struct http_answer *head,
                        size_t bytes_max, struct http_stream **ret_stream)
{
    struct http_stream *stream = mem_zero(1, sizeof *stream);
    if (stream == NULL) {
        return FAIL(MEMORY);
    }
    stream->server = request->server;
    stream->bytes_max = bytes_max;
    stream->holders = 2;
    stream->mhd = request->mhd;
    stream->connection = request->connection;
    (void)pthread_mutex_init(&stream->lock, NULL); /* does not fail on Linux */
    request->answer = *head;
    request->answer.body = bytes_of(NULL, 0);
    request->stream = stream;
    *ret_stream = stream;
    request_decide(request, DECISION_ANSWER);
    return OK;
}

/* Room for `more` behind what waits. */
static bool make_room(struct http_stream *stream, size_t more)
{
    if (stream->sent > 0) {
        stream->len -= stream->sent;
        memmove(stream->bytes, stream->bytes + stream->sent, stream->len);
        stream->sent = 0;
    }
    if (more > stream->bytes_max - stream->len) {
        return false;
    }
    uint8_t *bytes = mem_resize(stream->bytes, stream->len + more);
    stream->bytes = bytes == NULL ? stream->bytes : bytes;
    return bytes != NULL;
}

bool http_stream_write(struct http_stream *stream, struct bytes data)
{
    (void)pthread_mutex_lock(&stream->lock);
    bool is_there = !stream->is_over && !stream->is_cut;
    if (is_there && data.len > 0) {
        is_there = make_room(stream, data.len);
        if (is_there) {
            memcpy(stream->bytes + stream->len, data.ptr, data.len);
            stream->len += data.len;
        } else {
            stream->is_cut = true;
            /* The sweeper ends it: what waits in the socket would keep it alive. */
            connection_wait_for(stream->connection, WAIT_FOR_READER, 1);
        }
        wake(stream);
    }
    (void)pthread_mutex_unlock(&stream->lock);
    return is_there;
}

/* While the connection is suspended libmicrohttpd does not look at its socket. */
bool http_stream_is_gone(struct http_stream *stream)
{
    (void)pthread_mutex_lock(&stream->lock);
    bool is_gone = stream->is_over || stream->is_cut;
    if (!is_gone && stream->connection != NULL) {
        struct pollfd look = {.fd = stream->connection->fd, .events = POLLRDHUP};
        is_gone = poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
    }
    (void)pthread_mutex_unlock(&stream->lock);
    return is_gone;
}

void http_stream_end(struct http_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&stream->lock);
    stream->is_ended = true;
    wake(stream);
    let_go(stream);
}
