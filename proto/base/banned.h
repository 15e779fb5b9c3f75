/* banned: included last in every .c. Calls that no care makes safe become compile errors. */
#ifndef CALLTRACE_BANNED_H
#define CALLTRACE_BANNED_H

#if defined(__GNUC__)
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok
#pragma GCC poison atoi atol atoll atof gmtime localtime ctime asctime sscanf
#endif

#endif
