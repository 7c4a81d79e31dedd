// Losses on inner values: which value of the student meets which one of the teacher, and how they are compared.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "train/distill/anatomy.h"

namespace dsc {

// Values that one network shows while it runs, each once; indices into the tensors read.
class TapList {
 public:
  std::size_t add(const std::string& value);
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
};

// What a network showed in one run.
struct Readings {
  std::vector<at::Tensor> outputs, taps;
};

// A loss between one layer of each network.
struct LayerPair {
  std::string student, teacher;  // names of the layers
  std::size_t student_tap = 0, teacher_tap = 0;
  at::Tensor projection;         // [teacher's size, student's size]; undefined: sizes agree
  std::int64_t projected_dim = -1;
};

// One loss of the recipe against one teacher.
class LayerTerm {
 public:
  // Finds the layers. errors are added to `problems`, at `pointer` into the options.
  LayerTerm(const LossConfig& loss, Anatomy& student, Anatomy& teacher, TapList& student_taps, TapList& teacher_taps,
            const std::string& pointer, std::vector<Problem>& problems);

  // Compares shapes on an example, and makes projections where sizes differ.
  void fit(const Readings& student, const Readings& teacher, const at::Tensor& mask, std::uint64_t seed, std::vector<Problem>& problems);
  // Learned tensors by a name within this term; leaves.
  std::vector<std::pair<std::string, at::Tensor>> parameters() const;
  // Sum over the pairs of layers.
  at::Tensor loss(const Readings& student, const Readings& teacher, const at::Tensor& mask) const;
  // "encoder.layer.0 from encoder.layer.1".
  const std::vector<LayerPair>& pairs() const { return pairs_; }

 private:
  void fit_pair(LayerPair& pair, const at::Tensor& student, const at::Tensor& teacher, std::uint64_t seed, std::vector<Problem>& problems);

  LossConfig loss_;
  std::string pointer_;
  std::vector<LayerPair> pairs_;
};

// x with dimension `dim` of size D mapped to E by `weight` [E, D].
at::Tensor project(const at::Tensor& x, const at::Tensor& weight, std::int64_t dim);

// The teacher's layer for each of the student's, as mapping says: pairs of numbers. Precondition: students <= teachers.
std::vector<std::pair<std::size_t, std::size_t>> map_layers(Mapping mapping, std::size_t students, std::size_t teachers);

}  // namespace dsc
