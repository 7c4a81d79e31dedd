#include "checkpoint/convert.h"

#include <atomic>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "checkpoint/journal.h"
#include "checkpoint/layout.h"
#include "checkpoint/model_config.h"
#include "checkpoint/round_block.h"
#include "checkpoint/workers.h"
#include "core/file.h"
#include "core/log.h"

namespace dsc::checkpoint {
namespace {

namespace fs = std::filesystem;

class Converter {
 public:
  Converter(const Plan& plan, const ConvertOptions& options, std::string folder)
      : plan_(plan), options_(options), folder_(std::move(folder)), source_(plan.source.shards), calibration_(plan.calibration.shards) {
    total_ = static_cast<std::int64_t>(plan.source.bytes());
    for (std::int64_t i = 0; i < plan.threads; ++i) rounders_.push_back(std::make_unique<BlockRounder>(plan, source_, calibration_));
  }

  void run(Journal& journal) {
    require_space(journal);
    for (const auto& shard : plan_.shards) {
      if (!journal.is_finished(shard)) {
        write(shard);
        journal.add(shard);
      } else {
        for (const auto& block : blocks_of(plan_, shard)) done_ += bytes_of(block);
      }
    }
    write_small_files();
  }

 private:
  std::int64_t bytes_of(const Block& block) const {
    const auto& tensor = plan_.source.tensors[plan_.tensors[block.tensor].tensor];
    return block.count * static_cast<std::int64_t>(dtype_bytes(tensor.dtype)) * (tensor.shape.size() == 2 ? tensor.columns() : 1);
  }

  void require_space(const Journal& journal) const {
    std::uint64_t needed = 0;
    for (const auto& shard : plan_.shards) needed += journal.is_finished(shard) ? 0 : shard.bytes;
    const auto available = fs::space(folder_).available;
    if (needed <= available) return;
    throw Error(ErrorCode::resource,
                "the result needs " + format_bytes(static_cast<double>(needed)) + ", and the disk has " + format_bytes(static_cast<double>(available)),
                {.file = folder_}, "free space, or write somewhere else with -o");
  }

  void write(const ShardPlan& shard) {
    const auto path = (fs::path(folder_) / shard.name).string();
    const auto blocks = blocks_of(plan_, shard);
    write_atomically(path, [&](const std::string& temporary) {
      ShardWriter out(temporary, path, shard.bytes);
      out.write(0, shard.header.data(), shard.header.size());
      run_jobs(
          plan_.threads, blocks.size(),
          [&](std::size_t thread, std::size_t job) {
            rounders_[thread]->run(blocks[job], out, shard.header.size());
            done_ += bytes_of(blocks[job]);
          },
          [&] { report(); });
      out.close();
    });
    report();
  }

  void report() const {
    if (options_.progress) options_.progress("rounding", done_, total_);
  }

  void write_small_files() const {
    const auto path = [&](const std::string& name) { return (fs::path(folder_) / name).string(); };
    for (const auto& name : plan_.copied) {
      const auto from = (fs::path(plan_.source.folder) / name).string();
      write_atomically(path(name), [&](const std::string& temporary) {
        std::error_code error;
        fs::copy_file(from, temporary, fs::copy_options::overwrite_existing, error);
        if (error) throw Error(error == std::errc::no_space_on_device ? ErrorCode::resource : ErrorCode::io, "cannot copy the file: " + error.message(), {.file = from});
      });
    }
    const auto config = model_config_text(plan_);
    if (!config.empty()) write_file_atomically(path("config.json"), config);
    if (plan_.shards.size() > 1) write_file_atomically(path(kSafetensorsIndex), index_text(plan_));
  }

  const Plan& plan_;
  const ConvertOptions& options_;
  std::string folder_;
  ShardReader source_, calibration_;
  std::vector<std::unique_ptr<BlockRounder>> rounders_;
  std::atomic<std::int64_t> done_{0};
  std::int64_t total_ = 0;
};

// What a killed process left of the file it was writing.
void remove_temporaries(const std::string& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with('.') && name.ends_with(".tmp")) fs::remove(entry.path());
  }
}

void require_free(const std::string& out) {
  if (!fs::exists(out)) return;
  if (fs::is_directory(out) && fs::is_empty(out)) return;
  throw Error(ErrorCode::usage, "the folder exists", {.file = out}, "choose another name, or remove it");
}

// The folder appears under its name in one step.
void put_in_place(const std::string& folder, const std::string& out) {
  std::error_code error;
  fs::rename(folder, out, error);  // onto nothing, or onto an empty folder
  if (error) throw Error(ErrorCode::io, "cannot put the folder in place: " + error.message(), {.file = out}, "what was made lies in " + folder);
}

}  // namespace

std::vector<TensorError> convert(const Plan& plan, const ConvertOptions& options) {
  const auto out = absolute_path(options.out);
  require_free(out);
  const auto folder = partial_folder(out);
  make_folders(folder);
  Journal journal(folder, plan, options.build);
  remove_temporaries(folder);
  std::vector<TensorError> errors;
  try {
    Converter(plan, options, folder).run(journal);
    if (options.verify) errors = verify(plan, folder, options.progress);
  } catch (const Error& error) {
    const bool can_go_on = error.code() == ErrorCode::cancelled || error.code() == ErrorCode::io || error.code() == ErrorCode::resource;
    if (!can_go_on || journal.empty()) fs::remove_all(folder);
    throw;
  }
  journal.remove();
  put_in_place(folder, out);
  return errors;
}

}  // namespace dsc::checkpoint
