// What a walk over a network has made of its stretches, a file for each: after a kill it goes on behind those that are finished.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "dscompress/model.h"
#include "dscompress/pass.h"
#include "parallel/ranks.h"
#include "passes/quantize/options.h"

namespace dsc::quantize {

class BlockJournal {
 public:
  // Of nothing: for rehearsals, and for models that are rounded again and again to be measured.
  BlockJournal() = default;
  // Of all ranks of a run, which must see the same files: the first writes, and all find what it says is there.
  // In context.cache_folder(), named by what the walk depends on: the model as it is now, options, samples, and the program itself.
  // widths: of layers, where the options do not say them. notes: that nothing is kept, where that folder cannot be made.
  BlockJournal(const Model& model, const Options& options, const std::map<std::string, std::int64_t>& widths, PassContext& context);

  // What the walk has made of the stretch at `place`; none: it is not finished. errors: model_file, for a damaged file.
  std::optional<std::map<std::string, at::Tensor>> find(const std::string& walk, std::size_t place) const;
  // errors: resource (disk full), io.
  void add(const std::string& walk, std::size_t place, const std::map<std::string, at::Tensor>& made) const;
  void remove() const;  // when every rank has come to its end

 private:
  std::string file_of(const std::string& walk, std::size_t place) const;

  std::string folder_;  // empty: nothing is kept
  Ranks* ranks_ = nullptr;
};

}  // namespace dsc::quantize
