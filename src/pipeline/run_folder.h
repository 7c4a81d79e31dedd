// The files of a run. All are written atomically, but for those of events, which grow in place.
//
//   recipe.resolved.yaml  report.json  report.md  report.html  junit.xml  metrics.prom  log.jsonl  model.*
//   predictions.safetensors  steps/NN-name/...  curves.csv  tensorboard/events.out.tfevents.NNNN-name
//
// TensorBoard follows the files that it has opened.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dscompress/model.h"
#include "report/report.h"

namespace dsc {

class RunFolder {
 public:
  // formats: which reports to write besides report.json (markdown, html, ...).
  explicit RunFolder(std::string path, std::vector<std::string> formats = {}) : path_(std::move(path)), formats_(std::move(formats)) {}

  // As one of several processes sees it that is not the first: what it is told to write is left to that one.
  static RunFolder for_reading(std::string path);
  bool is_written() const { return is_written_; }

  // errors: usage, when the folder holds another run or other files.
  static void check_new(const std::string& path);
  // errors: usage, when the folder holds no run that can be resumed, and why: finished, or stopped before its first checkpoint.
  void check_resumable() const;

  void create(const std::string& resolved_recipe) const;
  void start_log() const;
  void write_report(const Report& report) const;
  // earlier: the steps before it.
  void write_step(const Report& earlier, const StepRecord& record, const Model& model) const;
  void write_progress(const Report& earlier, const StepRecord& in_progress) const;  // where `formats` asks for curves
  void write_baseline(const Model& model) const;
  // To MODEL.tokenizer.xml and .bin, where commands look for it: a model is of use only with the tokenizer that its ids come from. xml: empty: there
  // is none.
  void carry_tokenizer(const std::string& xml, const std::string& model) const;
  void remove_checkpoints() const;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string baseline_model() const { return file("baseline.pt2"); }
  std::string resolved_recipe() const { return file("recipe.resolved.yaml"); }
  // The report to read first: the one for people, where `formats` asks for one.
  std::string main_report() const;

 private:
  bool wants(std::string_view format) const;

  std::string path_;
  std::vector<std::string> formats_;
  bool is_written_ = true;
};

}  // namespace dsc
