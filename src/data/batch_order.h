// Which examples make up which batch of one pass over the data.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.h"

namespace dsc {

// Examples in order, `options.batch` at a time. lengths: one an example, or none where all are alike.
// A limit takes examples at even distances, so that data sorted by class stays balanced. drop_last leaves out examples
// before they are grouped by length: it would always be the longest ones otherwise.
std::vector<std::int64_t> batch_order(std::int64_t size, std::span<const std::int64_t> lengths, const LoaderOptions& options);

// Share of all tokens that are padding when each batch is filled up to its longest example.
double padding_share(std::span<const std::int64_t> order, std::span<const std::int64_t> lengths, std::int64_t batch);

// The same for one pass over a data set in batches of similar length; 0 where all examples are alike.
double padding_in_batches(const Dataset& dataset, std::int64_t batch);

}  // namespace dsc
