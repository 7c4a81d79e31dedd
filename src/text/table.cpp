#include "text/table.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/names.h"
#include "text/csv.h"
#include "text/utf8.h"

namespace dsc {
namespace {

constexpr std::size_t kMostProblems = 10;  // shown; a wrong separator breaks every line

std::string_view without_return(std::string_view line) { return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line; }

// Calls visit(line number, text) for each line; the last may lack its newline.
template <class Visit>
void for_each_line(std::string_view text, Visit visit) {
  int number = 1;
  for (std::size_t at = 0; at < text.size(); ++number) {
    const auto end = std::min(text.find('\n', at), text.size());
    visit(number, without_return(text.substr(at, end - at)));
    at = end + 1;
  }
}

std::vector<TableRow> read_tsv(std::string_view text) {
  std::vector<TableRow> rows;
  for_each_line(text, [&](int number, std::string_view line) {
    TableRow row{number, {}};
    for (std::size_t tab = line.find('\t'); tab != std::string_view::npos; tab = line.find('\t')) {
      row.cells.emplace_back(line.substr(0, tab));
      line.remove_prefix(tab + 1);
    }
    row.cells.emplace_back(line);
    rows.push_back(std::move(row));
  });
  return rows;
}

std::string json_text(const nlohmann::json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

// The first object names the columns; the others must have them.
std::vector<TableRow> read_jsonl(std::string_view text, FileProblems& problems) {
  std::vector<TableRow> rows;
  for_each_line(text, [&](int number, std::string_view line) {
    if (line.empty()) {
      rows.push_back({number, {""}});
      return;
    }
    const auto object = nlohmann::json::parse(line, nullptr, false);
    if (!object.is_object()) return problems.add(number, "the line is no JSON object", "write one {\"column\": value, ...} a line");
    if (rows.empty()) {
      rows.push_back({number, {}});
      for (const auto& [name, value] : object.items()) rows.front().cells.push_back(name);
    }
    TableRow row{number, {}};
    for (const auto& name : rows.front().cells) {
      const auto found = object.find(name);
      if (found == object.end()) return problems.add(number, "the line has no `" + name + "`, which the first line has");
      row.cells.push_back(json_text(*found));
    }
    rows.push_back(std::move(row));
  });
  return rows;
}

std::vector<TableRow> read_lines(std::string_view text) {
  std::vector<TableRow> rows{{0, {"text"}}};
  for_each_line(text, [&](int number, std::string_view line) { rows.push_back({number, {std::string(line)}}); });
  return rows;
}

TableFormat format_by_name(const std::string& path) {
  static const std::map<std::string, TableFormat> formats{
      {".tsv", TableFormat::tsv}, {".csv", TableFormat::csv}, {".jsonl", TableFormat::jsonl}, {".txt", TableFormat::lines}};
  const auto extension = std::filesystem::path(path).extension().string();
  const auto found = formats.find(extension);
  if (found != formats.end()) return found->second;
  throw Error(ErrorCode::data, "the format of a table follows from .tsv, .csv, .jsonl or .txt, and this is `" + extension + "`", {.file = path},
              "rename the file, or say `table: csv` (tsv, jsonl, lines)");
}

std::vector<TableRow> read_rows(TableFormat format, std::string_view text, FileProblems& problems) {
  if (format == TableFormat::tsv) return read_tsv(text);
  if (format == TableFormat::csv) return read_csv(text, problems);
  if (format == TableFormat::jsonl) return read_jsonl(text, problems);
  return read_lines(text);
}

std::vector<std::string> numbered(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i <= count; ++i) names.push_back(std::to_string(i));
  return names;
}

}  // namespace

std::span<const std::string_view> enum_names(TableFormat) {
  static constexpr std::array<std::string_view, 5> kNames{"by_name", "tsv", "csv", "jsonl", "lines"};
  return kNames;
}

void FileProblems::add(int line, std::string what, std::string hint) {
  if (++count_ <= kMostProblems) problems_.push_back({std::move(what), {.file = path_, .line = line}, std::move(hint)});
}

void FileProblems::throw_if_any() {
  if (problems_.empty()) return;
  if (count_ > kMostProblems) problems_.push_back({"and " + std::to_string(count_ - kMostProblems) + " more like these", {.file = path_}, {}});
  throw Error(ErrorCode::data, std::move(problems_));
}

std::string read_utf8(const std::string& path) {
  std::string text = read_file(path);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  const auto broken = find_broken_utf8(text);
  if (broken == std::string::npos) return text;
  const auto line = static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(broken), '\n')) + 1;
  throw Error(ErrorCode::data, "broken UTF-8", {.file = path, .line = line, .pointer = "offset " + std::to_string(broken)},
              "convert the file: iconv -f latin1 -t utf-8");
}

TextTable::TextTable(const std::string& path, TableFormat format, bool header) : path_(path) {
  if (format == TableFormat::by_name) format = format_by_name(path);
  const std::string text = read_utf8(path);
  FileProblems problems(path);
  auto rows = read_rows(format, text, problems);
  const bool named = header || format == TableFormat::jsonl || format == TableFormat::lines;
  if (rows.size() < (named ? 2U : 1U)) problems.add(1, "the file has no rows");
  problems.throw_if_any();
  names_ = named ? std::move(rows.front().cells) : numbered(rows.front().cells.size());
  columns_.resize(names_.size());
  for (std::size_t i = named ? 1 : 0; i < rows.size(); ++i) {
    auto& row = rows[i];
    if (row.cells.size() == 1 && row.cells[0].empty()) {
      problems.add(row.line, "the line is empty", "remove it");
    } else if (row.cells.size() != names_.size()) {
      problems.add(row.line, "the line has " + std::to_string(row.cells.size()) + " columns, the first line has " + std::to_string(names_.size()));
    } else {
      lines_.push_back(row.line);
      for (std::size_t c = 0; c < names_.size(); ++c) columns_[c].push_back(std::move(row.cells[c]));
    }
  }
  problems.throw_if_any();
}

bool TextTable::has_column(const std::string& name) const { return std::find(names_.begin(), names_.end(), name) != names_.end(); }

const std::vector<std::string>& TextTable::column(const std::string& name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) throw Error(ErrorCode::data, "there is no column `" + name + "`", {.file = path_, .line = 1}, suggest(name, names_));
  return columns_[static_cast<std::size_t>(found - names_.begin())];
}

}  // namespace dsc
