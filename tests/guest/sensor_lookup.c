/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * A sensor client's first steps in a guest: waits until the name service announces the sensor core (QMI service 400), asks it which
 * sensors of the kind of the first argument there are, and what it says to a request that is none. Prints what comes back.
 */
#include <linux/qrtr.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { CORE = 400, REQUEST = 0x20 };

static uint8_t frame[512];
static int length;

static void byte(unsigned value)
{
    frame[length++] = (uint8_t)value;
}

static void half(unsigned value)
{
    byte(value & 0xff);
    byte(value >> 8);
}

/* A request of the sensor core's: a QMI header, and a counted block of so many bytes, which are added behind. */
static void begin(unsigned message, unsigned bytes)
{
    length = 0;
    byte(0);
    half(1);
    half(message);
    half(bytes + 5);
    byte(1);
    half(bytes + 2);
    half(bytes);
}

/* sns_client_request_msg of libssc: whom it is for (the sensor that looks others up), message 512, the suspend settings, and in the
 * payload the kind that is wanted. */
static void question(const char *kind)
{
    unsigned n = (unsigned)strlen(kind);
    begin(REQUEST, 20 + 5 + 6 + 4 + 2 + n);
    byte(0x0a), byte(18);
    for (int word = 0; word < 2; word++) {
        byte(word ? 0x11 : 0x09);
        for (int i = 0; i < 8; i++)
            byte(0xab);
    }
    byte(0x15), half(512), half(0);
    byte(0x1a), byte(4), byte(0x08), byte(1), byte(0x10), byte(0);
    byte(0x22), byte(n + 4), byte(0x12), byte(n + 2);
    byte(0x0a), byte(n);
    for (unsigned i = 0; i < n; i++)
        byte((uint8_t)kind[i]);
}

int main(int argc, char **argv)
{
    int s = socket(AF_QIPCRTR, SOCK_DGRAM, 0);
    struct sockaddr_qrtr me, core = {0};
    socklen_t size = sizeof me;
    struct timeval patience = {60, 0};
    struct qrtr_ctrl_pkt control = {.cmd = QRTR_TYPE_NEW_LOOKUP, .server.service = CORE};
    if (argc < 2 || s < 0 || getsockname(s, (void *)&me, &size) || setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience))
        return perror("socket"), 1;
    struct sockaddr_qrtr names = {AF_QIPCRTR, me.sq_node, QRTR_PORT_CTRL};
    if (sendto(s, &control, sizeof control, 0, (void *)&names, sizeof names) < 0)
        return perror("lookup"), 1;
    /* An entry of zeros says that these were all up to now; others are announced as they come. */
    while (!core.sq_node) {
        if (recv(s, &control, sizeof control, 0) < (int)sizeof control)
            return puts("no sensor core"), 1;
        if (control.cmd == QRTR_TYPE_NEW_SERVER && control.server.service == CORE)
            core = (struct sockaddr_qrtr){AF_QIPCRTR, control.server.node, control.server.port};
    }
    printf("sensor core on node %u\n", core.sq_node);
    for (int step = 0; step < 2; step++) {
        if (step == 0)
            question(argv[1]);
        else
            begin(0x7777, 0);
        if (sendto(s, frame, length, 0, (void *)&core, sizeof core) < 0)
            return perror("request"), 1;
        /* Of the question an answer and a report, of the other request an answer. */
        for (int left = 2 - step; left > 0; left--) {
            uint8_t b[2048];
            struct sockaddr_qrtr from;
            int n;
            do {
                size = sizeof from;
                n = (int)recvfrom(s, b, sizeof b, 0, (void *)&from, &size);
                if (n < 7)
                    return puts("nothing came back"), 1;
                /* The name service goes on announcing. */
            } while (from.sq_node != core.sq_node || from.sq_port != core.sq_port);
            unsigned message = b[3] | b[4] << 8;
            if (b[0] == 2 && n >= 14)
                printf("answer to %#x: %u %u\n", message, b[10] | b[11] << 8, b[12] | b[13] << 8);
            else
                printf("report %#x: %d bytes\n", message, n);
        }
    }
    return 0;
}
