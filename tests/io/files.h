// Files for tests: fixtures, archives with one entry changed.
#pragma once

#include <caffe2/serialize/inline_container.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "dscompress/error.h"
#include "io/zip_archive.h"
#include "support/program.h"

namespace dsc {

inline std::string fixture(const std::string& name) { return DSC_SOURCE_DIR "/tests/fixtures/io/" + name; }

using TemporaryFolder = test::TempFolder;

inline std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_bytes(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

// A copy of the archive in which `change` may edit each entry's content; entries that it empties are left out.
inline void rewrite_archive(const std::string& from, const std::string& to,
                            const std::function<void(const std::string& name, std::string& content)>& change) {
  const ZipArchive archive(from);
  std::ofstream file(to, std::ios::binary);
  caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, std::size_t size) {
    file.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
    return size;
  });
  for (const auto& entry : archive.entries()) {
    if (entry.name.starts_with(".data/") || entry.name == "byteorder") continue;  // the writer adds its own
    auto content = archive.read_text(entry.name);
    change(entry.name, content);
    if (!content.empty()) writer.writeRecord(entry.name, content.data(), content.size());
  }
  writer.writeEndOfFile();
}

// The Error that `body` throws; a test failure when it does not.
inline Error error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorCode::internal, "no error");
}

inline std::string& replace_first(std::string& text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << "`" << from << "` is not there";
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

}  // namespace dsc
