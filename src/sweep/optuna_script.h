// scripts/optuna_sampler.py, built into the program.
#pragma once

namespace dsc::sweep {

extern const char* const kOptunaScript;

}  // namespace dsc::sweep
