// What is read of a damaged file, by the kind of file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"

namespace dsc::fuzz {

struct Seed {
  std::string name, bytes;
};

struct Target {
  std::string name;       // "pt2"
  std::string extension;  // of the files that the reader is given; by turns, when there are several: ".csv .tsv"
  std::vector<std::string_view> words;
  std::vector<Seed> seeds;
  std::string (*mutate)(const Target& target, const Seed& seed, Random& random) = nullptr;
  void (*read)(const std::string& path) = nullptr;  // throws dsc::Error for what it refuses
};

// With the seeds of tests/fixtures, tests/errors and configs.
std::vector<Target> all_targets();

}  // namespace dsc::fuzz
