/* check: assertions that state what only our own bug can break. They stay on in release builds; input
 * never reaches one. A failed check prints where and ends the process. */
#ifndef CALLTRACE_CHECK_H
#define CALLTRACE_CHECK_H

__attribute__((noreturn)) void check_failed(const char *kind, const char *expression,
                                            const char *file, int line);

#define CHECK_(kind, expression) \
    ((expression) ? (void)0 : check_failed(kind, #expression, __FILE__, __LINE__))
#define PRE(expression)       CHECK_("precondition", expression)
#define POST(expression)      CHECK_("postcondition", expression)
#define INVARIANT(expression) CHECK_("invariant", expression)
#define UNREACHABLE()         check_failed("unreachable", "reached", __FILE__, __LINE__)

#endif
