// Ctrl-C and SIGTERM: a request to stop at the next safe place.
#pragma once

namespace dsc {

// From now on the first SIGINT or SIGTERM is remembered; a second one ends the process at once.
void catch_interrupts();
bool is_interrupted();
// errors: cancelled, when a signal came.
void throw_if_interrupted();

}  // namespace dsc
