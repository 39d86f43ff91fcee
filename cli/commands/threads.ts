/** The threads that the command line asks for. */

/** The most threads that a command takes. */
export const MAX_THREADS = 64;

/** As `--threads`, which overrides it; all threads are started at once, so that tests of short commands have them too. */
export const THREADS_VARIABLE = "VMDKBKP_THREADS";
