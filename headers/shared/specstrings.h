/*
 * The annotations of sal.h, under the name that clients of older kits include.
 *
 * Part of the wsk project's own headers.
 */
#include <sal.h>
