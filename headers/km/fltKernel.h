/*
 * Not a part of the wsk project's headers, and refused with a sentence.
 */
#error "the filter manager (fltKernel.h) is not among wsk's headers, and not on its host: compile the part of the driver that uses WSK alone, with <ntifs.h>"
