// A data set that another one stands behind: what a kind of it does not say itself is the other's.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "data/dataset.h"

namespace dsc {

class DatasetAround : public Dataset {
 public:
  std::int64_t size() const override { return whole_->size(); }
  const DatasetInfo& info() const override { return info_; }
  std::span<const std::int64_t> lengths() const override { return whole_->lengths(); }
  const AnswerKey* answers() const override { return whole_->answers(); }
  const DetectionKey* detections() const override { return whole_->detections(); }
  const GenerationKey* generation() const override { return whole_->generation(); }
  std::string show(std::int64_t index) const override { return whole_->show(index); }

 protected:
  explicit DatasetAround(std::unique_ptr<Dataset> whole) : whole_(std::move(whole)), info_(whole_->info()) {}

  std::unique_ptr<Dataset> whole_;
  DatasetInfo info_;
};

}  // namespace dsc
