/** The library that stands for those that VMware ships with its own: it is there, or it is not. */
__attribute__((visibility("default"))) int standin_bundle(void) {
  return 1;
}
