/*
 * Not a part of the wsk project's headers, and refused with a sentence.
 */
#error "IP Helper (netioapi.h) is not among wsk's headers, and not on its host: ask WSK for addresses (SIO_ADDRESS_LIST_QUERY), or compile that part of the driver for Windows only"
