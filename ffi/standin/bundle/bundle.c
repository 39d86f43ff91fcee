/** Stands for the libraries that VMware ships with its own: it can be loaded, or it cannot. */
__attribute__((visibility("default"))) int standin_bundle(void) {
  return 1;
}
