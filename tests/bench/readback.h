/* readback: after the load, reads every acknowledged trace and compares each span, byte for byte, with
 * what the recipe makes again. Owner thread: the load generator's. */
#ifndef CALLTRACE_TESTS_BENCH_READBACK_H
#define CALLTRACE_TESTS_BENCH_READBACK_H

struct load;

/* Fills load->read. */
void readback_run(struct load *load);

/* Writes some traces for a second judge: a line each, the trace id and the hex of every span. */
void readback_sample(struct load *load);

#endif
