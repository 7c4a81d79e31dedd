#include "cli/main.h"

int main(int argc, char** argv) { return dsc::run_command_line(argc, argv); }
