// Heads that score what a network knows after some of its blocks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "dscompress/model.h"
#include "ops/blocks.h"

namespace dsc::dynamic {

// What a head is made of. copied: the network's own, from its last block on, with weights of its own that start as the network's.
// pooled: the mean over all positions of a feature, and a linear layer.
enum class HeadForm : std::uint8_t { copied, pooled };
std::span<const std::string_view> enum_names(HeadForm);

struct HeadRequest {
  HeadForm form = HeadForm::copied;
  std::string mask;    // the input that says which positions a mean is over; empty: all
  std::string prefix;  // of its weights and modules, such as "exits.0"
  std::uint64_t seed = 0;
};

// Gives the network a further output: class scores from what `block` gives. The network's own head is copied where it reads the last
// block and what is known when `block` ends, and where both give tensors of one type; otherwise the head is a pooled one.
// errors: unsupported, where neither form fits.
HeadForm add_exit_head(Model& model, const Block& block, const Block& last, const HeadRequest& request);

}  // namespace dsc::dynamic
