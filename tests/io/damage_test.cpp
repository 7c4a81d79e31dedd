// Files cut short or with flipped bits give an Error or a valid load: never a crash, another exception, or a load of
// other numbers than were written.
#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "core/random.h"
#include "io/files.h"
#include "io/pt2.h"
#include "io/safetensors.h"
#include "io/zip_archive.h"

namespace dsc {
namespace {

constexpr int kTrials = 200;

std::string cut(std::string bytes, Random& random) {
  bytes.resize(static_cast<std::size_t>(random.below(static_cast<std::int64_t>(bytes.size()))));
  return bytes;
}

std::string flip(std::string bytes, Random& random) {
  auto& byte = bytes[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(bytes.size())))];
  byte = static_cast<char>(byte ^ (1 << random.below(8)));
  return bytes;
}

// Whether the damaged archive was loaded; anything but an Error with a message fails the test.
bool loads(const std::string& path, const Model& original) {
  try {
    const auto model = read_pt2(path);
    for (const auto& name : model.weights.names()) {
      EXPECT_TRUE(original.weights.has(name) && at::equal(model.weights.get(name), original.weights.get(name))) << name;
    }
    return true;
  } catch (const Error& error) {
    EXPECT_FALSE(std::string(error.what()).empty());
    EXPECT_NE(error.code(), ErrorCode::internal) << error.what();
    return false;
  }
}

TEST(DamagedPt2, CutShortIsAlwaysAnError) {
  const TemporaryFolder folder;
  const auto bytes = bytes_of(fixture("tiny.pt2"));
  const auto original = read_pt2(fixture("tiny.pt2"));
  Random random(1);
  for (int i = 0; i < kTrials; ++i) {
    write_bytes(folder.file("cut.pt2"), cut(bytes, random));
    EXPECT_FALSE(loads(folder.file("cut.pt2"), original));
  }
}

TEST(DamagedPt2, FlippedBitsGiveAnErrorOrTheSameTensors) {
  const TemporaryFolder folder;
  const auto bytes = bytes_of(fixture("tiny.pt2"));
  const auto original = read_pt2(fixture("tiny.pt2"));
  Random random(2);
  int loaded = 0;
  for (int i = 0; i < kTrials; ++i) {
    write_bytes(folder.file("flip.pt2"), flip(bytes, random));
    loaded += loads(folder.file("flip.pt2"), original);
  }
  EXPECT_LT(loaded, kTrials / 2);  // only padding and fields that nobody reads may be hit unnoticed
}

// A checksum that fits says nothing about the content: programs and configurations with a changed character.
TEST(DamagedPt2, ChangedTextGivesAnErrorOrALoad) {
  const TemporaryFolder folder;
  Random random(5);
  for (int i = 0; i < kTrials; ++i) {
    const std::string source = fixture(i % 2 ? "regions.pt2" : "calls.pt2");
    rewrite_archive(source, folder.file("text.pt2"), [&](const std::string& name, std::string& content) {
      if (name.ends_with(".json")) content = flip(content, random);
    });
    try {
      write_pt2(read_pt2(folder.file("text.pt2")), folder.file("again.pt2"));
    } catch (const Error& error) {
      EXPECT_FALSE(std::string(error.what()).empty());
    }
  }
}

// Found by scripts/fuzz: what the archive says about calling the program is only read when it is written again.
TEST(DamagedPt2, CallingConventionsWithoutMeaningAreErrors) {
  const TemporaryFolder folder;
  rewrite_archive(fixture("calls.pt2"), folder.file("calls.pt2"), [](const std::string& name, std::string& content) {
    if (name != "models/model.json") return;
    for (auto at = content.rfind("children_spec"); at != std::string::npos; at = content.rfind("children_spec", at - 1)) content[at] = 'k';
  });
  const auto error = error_of([&] { write_pt2(read_pt2(folder.file("calls.pt2")), folder.file("again.pt2")); });
  EXPECT_EQ(error.code(), ErrorCode::model_file);
}

TEST(DamagedPt2, FlippedWeightIsNamed) {
  const TemporaryFolder folder;
  auto bytes = bytes_of(fixture("tiny.pt2"));
  const auto original = read_pt2(fixture("tiny.pt2"));
  const auto& weight = original.weights.get("conv1.weight");
  const auto at = bytes.find(std::string(static_cast<const char*>(weight.const_data_ptr()), weight.nbytes()));
  ASSERT_NE(at, std::string::npos);
  bytes[at + 5] ^= 4;
  write_bytes(folder.file("flip.pt2"), bytes);
  const auto error = error_of([&] { read_pt2(folder.file("flip.pt2")); });
  EXPECT_EQ(error.code(), ErrorCode::model_file);
  EXPECT_NE(error.to_text().find("data/weights/weight_"), std::string::npos);
  EXPECT_NE(error.to_text().find("checksum"), std::string::npos);
}

TEST(DamagedZip, DeflatedEntriesAreCheckedLikeStoredOnes) {
  const std::string bytes = bytes_of(DSC_SOURCE_DIR "/tests/fixtures/torchscript/containers.pt");
  const ZipArchive whole("whole.pt", bytes);
  const auto code = std::find_if(whole.entries().begin(), whole.entries().end(), [](const ZipEntry& entry) { return entry.method == 8; });
  ASSERT_NE(code, whole.entries().end());
  EXPECT_NE(whole.read_content(*code).find("def forward"), std::string::npos);
  const auto half = [&](std::size_t at) { return static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[at])) + 256 * static_cast<std::uint8_t>(bytes[at + 1]); };
  const std::size_t start = code->header_offset + 30 + half(code->header_offset + 26) + half(code->header_offset + 28);
  Random random(5);
  for (int i = 0; i < kTrials; ++i) {
    auto damaged = bytes;
    damaged[start + static_cast<std::size_t>(random.below(static_cast<std::int64_t>(code->stored_size) - 1))] ^= 0x10;  // the last byte may hold no data
    const ZipArchive archive("damaged.pt", damaged);
    EXPECT_THROW(archive.read_content(archive.entries()[static_cast<std::size_t>(code - whole.entries().begin())]), Error) << i;
  }
}

// Found by scripts/fuzz: LibTorch asked for the 1.9 GB that a compressed entry of 300 bytes claimed to hold.
TEST(DamagedZip, ACompressedEntryThatClaimsMoreThanItCanHoldIsRefused) {
  const TemporaryFolder folder;
  auto bytes = bytes_of(DSC_SOURCE_DIR "/tests/fixtures/torchscript/containers.pt");
  EXPECT_NO_THROW(ZipArchive("whole.pt", bytes));
  std::size_t at = bytes.find("PK\x01\x02");
  while (bytes.at(at + 10) != 8) at = bytes.find("PK\x01\x02", at + 1);
  bytes[at + 27] = '\x74';  // the highest byte of its size
  const auto error = error_of([&] { ZipArchive("greedy.pt", bytes); });
  EXPECT_EQ(error.code(), ErrorCode::model_file);
  EXPECT_NE(error.to_text().find("claims more than its bytes can hold"), std::string::npos) << error.to_text();
}

TEST(DamagedSafetensors, CutShortIsAlwaysAnError) {
  const TemporaryFolder folder;
  write_safetensors(folder.file("whole"), {{{"a", at::randn({5, 7})}, {"b.c", at::ones({3}, at::kLong)}}, {{"note", "x"}}});
  const auto bytes = bytes_of(folder.file("whole"));
  Random random(3);
  for (int i = 0; i < kTrials; ++i) {
    write_bytes(folder.file("cut"), cut(bytes, random));
    const auto error = error_of([&] { read_safetensors(folder.file("cut")); });
    EXPECT_EQ(error.code(), ErrorCode::model_file);
    EXPECT_FALSE(error.problems()[0].place.pointer.empty());
  }
}

TEST(DamagedSafetensors, FlippedBitsGiveAnErrorOrALoad) {
  const TemporaryFolder folder;
  write_safetensors(folder.file("whole"), {{{"a", at::randn({5, 7})}, {"b.c", at::ones({3}, at::kLong)}}, {{"note", "x"}}});
  const auto bytes = bytes_of(folder.file("whole"));
  Random random(4);
  for (int i = 0; i < kTrials; ++i) {
    write_bytes(folder.file("flip"), flip(bytes, random));
    try {
      const auto file = read_safetensors(folder.file("flip"));
      for (const auto& [name, tensor] : file.tensors) EXPECT_LE(tensor.nbytes(), bytes.size());
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::model_file || error.code() == ErrorCode::unsupported) << error.what();
    }
  }
}

}  // namespace
}  // namespace dsc
