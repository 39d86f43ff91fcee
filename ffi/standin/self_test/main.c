/*
 * Drives every call of the stand-in and breaks every rule that it knows, because it judges other code.
 *
 *   self_test FOLDER           runs everything, with files in FOLDER; libstandinbundle.so.1 must be loadable
 *   self_test FOLDER NAME      runs one of the tests that end the process
 */

#include "harness.h"

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: self_test FOLDER [NAME]\n");
    return 2;
  }
  self = argv[0];
  folder = argv[1];
  if (argc > 2) return lone(argv[2]);
  static void (*const TESTS[])(void) = {
      test_outside,  test_init,   test_after_exit, test_error_text, test_transfer, test_info,   test_metadata,
      test_query,    test_remote, test_limits,     test_params,     test_access,   test_faults, test_threads,
      test_misuse,   test_async,  test_manage,     test_ends,
  };
  for (size_t i = 0; i < sizeof TESTS / sizeof TESTS[0]; i++) TESTS[i]();
  free(trace);
  if (failures > 0) fprintf(stderr, "%d failures\n", failures);
  return failures > 0;
}
