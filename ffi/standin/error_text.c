/** The texts for codes, which are not those of VMware. */

#include <string.h>

#include "call.h"

static const struct {
  unsigned code;
  const char *text;
} TEXTS[] = {
    {0, "No error"},
    {1, "Unknown failure"},
    {2, "Not enough memory, here or on the server"},
    {3, "An argument is not valid"},
    {4, "The file is not there"},
    {5, "The object is in use"},
    {6, "This is not supported"},
    {7, "A file could not be read or written"},
    {8, "The file system is full"},
    {9, "The file has another type"},
    {10, "Cancelled"},
    {11, "The file is read-only"},
    {12, "The file is there already"},
    {13, "The file may not be accessed"},
    {15, "The file is locked by somebody else"},
    {16, "The VM data base failed"},
    {20, "This is not supported on a remote object"},
    {21, "The file is too big"},
    {22, "The file name is not valid"},
    {24, "The buffer is too small"},
    {25, "The object is not there"},
    {26, "The host is not connected"},
    {27, "The text is not UTF-8"},
    {34, "The host of the virtual machine is disconnected"},
    {35, "The machine is encrypted, and may not be read in this way"},
    {36, "The connection to the host is lost"},
    {1000, "The handle is not valid"},
    {1001, "The handle has another type"},
    {1002, "There are too many handles"},
    {3014, "The account lacks the right to do this on the host"},
    {3015, "The account lacks the right to do this in the guest"},
    {3046, "There are too many logins"},
    {3047, "The session is not valid any more"},
    {4000, "The virtual machine is not there"},
    {13003, "The snapshot is not there"},
    {13010, "The snapshot is locked"},
    {13014, "The disk is locked"},
    {14005, "The end of the file is reached"},
    {14006, "The handshake for the disk failed"},
    {14007, "No socket could be made"},
    {14008, "The server is not there"},
    {14009, "The server refuses the connection"},
    {14010, "The socket failed"},
    {14011, "The connection is lost"},
    {14014, "The server shuts down"},
    {14015, "The server is not available"},
    {16000, "The disk is not valid"},
    {16001, "The disk library is not initialized"},
    {16003, "A link of the disk's chain is missing"},
    {16006, "The disk needs to be repaired"},
    {16007, "The sectors lie beyond the end of the disk"},
    {16009, "The disk cannot be shrunk"},
    {16012, "The parent of the disk cannot be opened"},
    {16052, "The key is not there"},
    {16053, "A part of the library could not be started"},
    {16054, "The connection is not valid"},
    {16063, "The disk is not valid"},
    {16067, "The capacities of the disks differ"},
    {18000, "The host cannot be connected"},
    {18001, "This is not possible on a remote host"},
    {18002, "The host name is not valid"},
    {25000, "The request was accepted and completes later"},
    {26000, "Synchronous and asynchronous requests cannot be mixed"},
    {30006, "The host name could not be resolved"},
    {30007, "The connection for the login failed"},
    {30028, "The login took too long"},
    {30035, "The secure connection could not be made"},
};

char *VixDiskLib_GetErrorText(VixError err, const char *locale) {
  Call call;
  call_begin(&call, CALL_GetErrorText);
  call_number(&call, "of", VIX_ERROR_CODE(err));
  if (locale != NULL) violation(&call, "locale", "GetErrorText with a locale, which must be NULL");
  char *text = NULL;
  if (call_ready(&call) && !same_text(the_world()->error_text, "null")) {
    const char *known = "Another error, which the stand-in has no words for";
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
      if (TEXTS[i].code == VIX_ERROR_CODE(err)) known = TEXTS[i].text;
    }
    text = own_new(OWN_TEXT, strlen(known) + 1, 0, NULL);
    memcpy(text, known, strlen(known) + 1);
  }
  call_end(&call);
  return text;
}

void VixDiskLib_FreeErrorText(char *errMsg) {
  Call call;
  call_begin(&call, CALL_FreeErrorText);
  if (errMsg != NULL) {
    OwnState state = own_free(OWN_TEXT, errMsg);
    if (state == OWN_FREED) violation(&call, "double_free", "FreeErrorText of a text that was freed");
    if (state == OWN_FOREIGN) violation(&call, "foreign_free", "FreeErrorText of what GetErrorText did not return");
    if (state == OWN_OVERRUN) violation(&call, "overrun", "the caller wrote behind an error text");
  }
  call_end(&call);
}
