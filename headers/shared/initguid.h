/*
 * Makes every DEFINE_GUID that follows a definition.
 *
 * Part of the wsk project's own headers.
 */
#ifndef INITGUID
#define INITGUID
#endif
#include <guiddef.h>
