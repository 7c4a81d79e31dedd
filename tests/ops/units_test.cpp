#include "ops/units.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "core/random.h"

namespace dsc {
namespace {

std::vector<Label> fresh(UnitTable& table, std::size_t size) {
  std::vector<Label> labels(size);
  for (Label& label : labels) label = table.make();
  return labels;
}

// labels[i * columns + j] = {rows[i], columns[j]}
std::vector<Label> grid(UnitTable& table, const std::vector<Label>& rows, const std::vector<Label>& columns) {
  std::vector<Label> labels;
  for (Label row : rows) {
    for (Label column : columns) labels.push_back(table.join(table.canonical(row), table.canonical(column)));
  }
  return labels;
}

TEST(UnitTable, TiedUnitsBecomeOne) {
  UnitTable table;
  std::vector<Label> a = fresh(table, 3), b = fresh(table, 3);
  table.tie(a, b, 0);
  for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(table.canonical(a[k]), table.canonical(b[k]));
  EXPECT_NE(table.canonical(a[0]), table.canonical(a[1]));
}

TEST(UnitTable, AnElementTiedToAGridIsDefinedByIt) {
  UnitTable table;
  std::vector<Label> flat = fresh(table, 6), rows = fresh(table, 2), columns = fresh(table, 3);
  table.tie(flat, grid(table, rows, columns), 0);
  EXPECT_EQ(table.units(table.canonical(flat[4])).size(), 2U);
  table.keep(rows[1], 7);
  EXPECT_EQ(table.canonical(flat[4]), table.canonical(columns[1]));
}

TEST(UnitTable, GridsOfOneShapeAreTiedAxisByAxis) {
  UnitTable table;
  std::vector<Label> rows = fresh(table, 2), columns = fresh(table, 3), other_rows = fresh(table, 2), other_columns = fresh(table, 3);
  table.tie(grid(table, rows, columns), grid(table, other_rows, other_columns), 0);
  EXPECT_EQ(table.canonical(rows[1]), table.canonical(other_rows[1]));
  EXPECT_EQ(table.canonical(columns[2]), table.canonical(other_columns[2]));
}

TEST(UnitTable, AFinerGridRefinesACoarserOne) {
  UnitTable table;
  std::vector<Label> rows = fresh(table, 2), columns = fresh(table, 6);
  std::vector<Label> x = fresh(table, 2), y = fresh(table, 2), z = fresh(table, 3);
  table.tie(grid(table, rows, columns), grid(table, x, grid(table, y, z)), 0);
  EXPECT_EQ(table.canonical(rows[0]), table.canonical(x[0]));
  EXPECT_EQ(table.units(table.canonical(columns[5])).size(), 2U);
}

TEST(UnitTable, WhatIsTiedToAKeptElementIsKeptForItsReason) {
  UnitTable table;
  std::vector<Label> a = fresh(table, 2), b = fresh(table, 2);
  table.tie(a, b, 0);
  table.keep(b[0], 5);
  EXPECT_EQ(table.canonical(a[0]), kKept);
  EXPECT_EQ(table.reason_of(a[0]), 5);
  EXPECT_NE(table.canonical(a[1]), kKept);
}

TEST(UnitTable, SurplusUnitsOfALargerSetAreKept) {
  UnitTable table;
  Label a = table.make(), b = table.make();
  Label both = table.join(a, b);
  table.tie(a, both, 3);
  EXPECT_EQ(table.canonical(b), kKept);
  EXPECT_EQ(table.canonical(both), table.canonical(a));
}

// Whatever is tied, equal elements must come out equal and stay so.
TEST(UnitTable, RandomTiesStayConsistent) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    UnitTable table;
    std::vector<std::vector<Label>> axes;
    for (int i = 0; i < 4; ++i) axes.push_back(fresh(table, 12));
    for (int i = 0; i < 4; ++i) {
      std::size_t rows = std::vector<std::size_t>{2, 3, 4, 6}[static_cast<std::size_t>(random.below(4))];
      axes.push_back(grid(table, fresh(table, rows), fresh(table, 12 / rows)));
    }
    std::vector<std::pair<std::size_t, std::size_t>> tied;
    for (int i = 0; i < 6; ++i) {
      auto a = static_cast<std::size_t>(random.below(8)), b = static_cast<std::size_t>(random.below(8));
      table.tie(axes[a], axes[b], 0);
      tied.emplace_back(a, b);
      if (random.below(4) == 0) table.keep(axes[a][static_cast<std::size_t>(random.below(12))], 1);
    }
    for (auto [a, b] : tied) {
      for (std::size_t k = 0; k < 12; ++k) ASSERT_EQ(table.canonical(axes[a][k]), table.canonical(axes[b][k])) << seed;
    }
  }
}

}  // namespace
}  // namespace dsc
