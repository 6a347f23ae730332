/*
 * Not a part of the wsk project's headers, and refused with a sentence.
 */
#error "KMDF (wdf.h) is not among wsk's headers, and not on its host: compile the part of the driver that uses WSK alone, with <wdm.h>, and give it plain functions instead of WDF objects"
