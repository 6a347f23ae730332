/*
 * fltKernel.h, as drivers also spell it. It is in this folder because Windows has one name for both in a folder.
 */
#include <fltKernel.h>
