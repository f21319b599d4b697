/* Executes the SQL on standard input in a database in memory; prints each row. A question mark is the program's argument. */
#include <stdio.h>
#include <stdlib.h>

#include "sqlite3.h"

static char text[1 << 20];

int main(int argc, char **argv)
{
    const char *rest = text;
    sqlite3_stmt *statement;
    sqlite3 *db;
    text[fread(text, 1, sizeof text - 1, stdin)] = 0;
    if (argc < 2 || sqlite3_open(":memory:", &db) != SQLITE_OK)
        return 2;
    while (sqlite3_prepare_v2(db, rest, -1, &statement, &rest) == SQLITE_OK && statement) {
        int step;
        if (sqlite3_bind_parameter_count(statement))
            sqlite3_bind_int(statement, 1, atoi(argv[1]));
        while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
            for (int i = 0; i < sqlite3_column_count(statement); i++)
                printf("%s%s", i ? "|" : "", (const char *)sqlite3_column_text(statement, i));
            puts("");
        }
        if (step != SQLITE_DONE)
            break;
        sqlite3_finalize(statement);
    }
    if (sqlite3_errcode(db) != SQLITE_OK && sqlite3_errcode(db) != SQLITE_DONE) {
        fprintf(stderr, "%s\n", sqlite3_errmsg(db));
        return 1;
    }
    return sqlite3_close(db) != SQLITE_OK;
}
