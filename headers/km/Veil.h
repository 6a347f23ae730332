/*
 * Not a part of the wsk project's headers, and refused with a sentence.
 */
#error "Veil (Veil.h) is a library of its own, for Microsoft's compiler: compile the part of the driver that uses WSK with <ntifs.h>"
