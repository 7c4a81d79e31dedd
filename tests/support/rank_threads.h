// Several ranks in one process, each on a thread of its own, which talk over the loopback interface as processes do.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "exec/executor.h"
#include "parallel/group.h"
#include "support/program.h"

namespace dsc::test {

// Runs body on each rank. returns: the message of each rank's error; empty: none.
inline std::vector<std::string> run_ranks(std::int64_t size, const std::function<void(Ranks&)>& body) {
  const TempFolder folder;
  std::vector<std::string> errors(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (std::int64_t rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      set_threads(1);  // of this thread's kernels
      std::unique_ptr<Ranks> ranks;
      try {
        ranks = join_group({.rank = rank, .size = size, .store_file = folder.file("store")});
        body(*ranks);
        ranks->part();
      } catch (const Error& error) {
        errors[static_cast<std::size_t>(rank)] = error.what();
        if (ranks) ranks->announce(error);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  return errors;
}

inline void expect_no_errors(const std::vector<std::string>& errors) {
  for (std::size_t rank = 0; rank < errors.size(); ++rank) EXPECT_EQ(errors[rank], "") << "of rank " << rank;
}

}  // namespace dsc::test
