/* Arguments, environment, the auxiliary vector, exit status. */
#include "rt.h"

int run(int argc, char **argv, char **envp)
{
    print("hello\n");
    show("argc", argc);
    for (int i = 1; i < argc; i++) {
        print(argv[i]);
        print("\n");
    }
    char **e = envp;
    for (; *e; e++)
        if ((*e)[0] == 'V' && (*e)[1] == 'H' && (*e)[2] == '_') {
            print(*e);
            print("\n");
        }
    u32 *aux = (u32 *)(e + 1);
    u32 phnum = 0, phent = 0, random = 0, secure = 9;
    u8 *headers = 0;
    for (; aux[0]; aux += 2) {
        if (aux[0] == 3)
            headers = (u8 *)aux[1];
        if (aux[0] == 4)
            phent = aux[1];
        if (aux[0] == 5)
            phnum = aux[1];
        if (aux[0] == 23)
            secure = aux[1];
        if (aux[0] == 25)
            random = aux[1];
    }
    show("phnum", phnum);
    show("phent", phent);
    /* The first header is the one of the headers themselves: type 6 at its own address. */
    show("type", *(u32 *)headers);
    show("place", *(u32 *)(headers + 8) - (u32)headers);
    show("secure", secure);
    show("random", random != 0 && *(u32 *)random != 0);
    return argc + 40;
}
