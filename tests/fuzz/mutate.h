// Changes files the way damage and malice do: bytes, stretches, numbers, words, and parts of other files.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"

namespace dsc::fuzz {

class Mutator {
 public:
  // words: what the format's readers look for.
  Mutator(Random& random, std::vector<std::string_view> words) : random_(random), words_(std::move(words)) {}

  // One to eight changes. `other`: a file of the same kind to take parts from.
  std::string mutate(std::string bytes, const std::string& other);

 private:
  std::size_t place(const std::string& bytes);
  void change_once(std::string& bytes, const std::string& other);
  void change_number(std::string& bytes);
  void change_digits(std::string& bytes);

  Random& random_;
  std::vector<std::string_view> words_;
};

// A zip archive with some entries' contents changed and every checksum right, so that the change is read.
std::string mutate_archive(const std::string& archive, Random& random, const std::function<std::string(const std::string& content)>& mutate);

// The length in front of a .safetensors file set to that of its header after the change.
std::string mutate_header(const std::string& file, const std::function<std::string(const std::string& header)>& mutate);

}  // namespace dsc::fuzz
