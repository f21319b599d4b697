/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Result codes that a skeleton returns and the host's library understands. On the DSP every code but success carries
 * the offset 0x80000400; the host side prints them unchanged.
 */
#ifndef VHX_AEESTDERR_H
#define VHX_AEESTDERR_H

#define AEE_SUCCESS 0
#define AEE_EOFFSET 0x80000400u

#define AEE_EFAILED          (AEE_EOFFSET + 0x001) /* general failure */
#define AEE_ENOMEMORY        (AEE_EOFFSET + 0x002)
#define AEE_EUNABLETOLOAD    (AEE_EOFFSET + 0x006) /* library not found or not loadable */
#define AEE_EALREADY         (AEE_EOFFSET + 0x01a)
#define AEE_EBADPARM         (AEE_EOFFSET + 0x00e)
#define AEE_EITEMBUSY        (AEE_EOFFSET + 0x020)
#define AEE_EUNSUPPORTED     (AEE_EOFFSET + 0x014) /* no such method */
#define AEE_EBADSTATE        (AEE_EOFFSET + 0x00d)
#define AEE_EBADITEM         (AEE_EOFFSET + 0x010)
#define AEE_EEXPIRED         (AEE_EOFFSET + 0x00c)
#define AEE_ENOSUCHSYMBOL    (AEE_EOFFSET + 0x042)
#define AEE_EQURTTHREADCREATE (AEE_EOFFSET + 0x14b)
#define AEE_ENOSUCHMAP       (AEE_EOFFSET + 0x048)

/* Codes without the offset: errno-like numbers that come from the transport. */
#define AEE_ENOSUCH     39  /* the process behind the handle is gone */
#define AEE_ECONNRESET 104  /* the DSP, or the process, went away during the call */
#define AEE_EINTERRUPTED  46  /* the wait was called off */
#define AEE_EWOULDBLOCK 516  /* nothing there, or no room */

#endif
