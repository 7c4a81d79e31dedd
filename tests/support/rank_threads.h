// Several ranks in one process, each on a thread of its own, which talk as processes do.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "exec/executor.h"
#include "parallel/group.h"
#include "support/program.h"

namespace dsc::test {

// As processes of one machine do, through memory that they share; or as those of several, over connections alone.
enum class Meeting { memory, connections };

// One that nobody listens on.
inline std::uint16_t free_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(descriptor, reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(descriptor);
  return ntohs(address.sin_port);
}

// Runs body on each rank. returns: the message of each rank's error; empty: none.
inline std::vector<std::string> run_ranks(std::int64_t size, const std::function<void(Ranks&)>& body, Meeting meeting = Meeting::memory) {
  const TempFolder folder;
  Membership membership{.rank = 0, .size = size, .store_file = folder.file("store")};
  if (meeting == Meeting::connections) membership = {.rank = 0, .size = size, .address = "127.0.0.1", .port = free_port()};
  std::vector<std::string> errors(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (std::int64_t rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      set_threads(1);  // of this thread's kernels
      std::unique_ptr<Ranks> ranks;
      try {
        auto own = membership;
        own.rank = rank;
        own.serves = rank == 0 && meeting == Meeting::connections;
        ranks = join_group(own);
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
