/* Stands for the file that PocketSphinx's cmake makes from config.h.in: wasm32, no popen. */
#define HAVE_LONG_LONG
#define HAVE_SNPRINTF
#define HAVE_SYS_STAT_H
#define HAVE_SYS_TYPES_H
#define HAVE_UNISTD_H
#define HAVE_INTTYPES_H
#ifndef HAVE_STDINT_H
#define HAVE_STDINT_H
#endif
#define SIZEOF_LONG 4
#define SIZEOF_LONG_LONG 8
