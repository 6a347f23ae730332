/*
 * Not a part of the wsk project's headers, and refused with a sentence.
 */
#error "NDIS (ndis.h) is not among wsk's headers, and not on its host: compile the part of the driver that uses WSK alone, with <ntddk.h>"
