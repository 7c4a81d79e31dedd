// Tensor payloads of a .pt2 archive: raw bytes, shared and strided as the payload configuration says.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/zip_archive.h"

namespace dsc::pt2 {

struct Payload {
  std::string name;  // "layer1.0.conv1.weight"
  at::Tensor tensor;
};

// One past the last element of its storage that a strided tensor touches; none on negative or overflowing geometry.
std::optional<std::uint64_t> elements_spanned(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& strides, std::int64_t offset);

// All tensors of one folder ("data/weights/") in the order of its configuration. Names with the same bytes, sizes and
// strides are one tensor; tensors over the same bytes share storage. Each payload is read once, straight into its storage; large
// ones stay in the file, mapped (core/mapped_file.h).
// errors: model_file (damaged, sizes beyond the payload), unsupported (pickled payloads and custom objects, all of them).
std::vector<Payload> read_payloads(const ZipArchive& archive, std::string_view folder, std::string_view config_entry);

// What the writer says about one tensor besides its values.
struct PayloadFacts {
  std::string name;
  at::Tensor tensor;
  bool is_parameter = false;
  bool requires_grad = false;
  std::string device = "cpu";
};
// Writes the records and returns the configuration as JSON. Tensors that share storage and overlap share one record; a
// view of a larger storage takes only its own bytes along.
std::string write_payloads(const std::vector<PayloadFacts>& tensors, std::string_view folder, std::string_view prefix,
                           const std::function<void(const std::string& name, const void* data, std::size_t size)>& write);

}  // namespace dsc::pt2
