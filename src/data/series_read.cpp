// Files of time series, line by line.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>

#include "data/series.h"
#include "dscompress/error.h"
#include "text/utf8.h"

namespace dsc {
namespace {

constexpr const char* kFill = "fill in missing values, or remove the series";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const auto first = text.find_first_not_of(kBlanks);
  return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string_view> parts_of(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(trimmed(text.substr(0, at)));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::vector<std::string_view> words_between_blanks(std::string_view text) {
  auto words = parts_of(text, ' ');
  std::erase_if(words, [](std::string_view word) { return word.empty(); });
  return words;
}

std::optional<double> number_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc{} && read.ptr == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// Labels that are whole numbers however written, 1.0000000e+00 in old files, as such.
std::string plain_label(std::string_view text) {
  const auto number = number_of(text);
  constexpr double kMostExact = 1e15;
  return number && *number == std::floor(*number) && std::abs(*number) < kMostExact ? std::to_string(static_cast<std::int64_t>(*number))
                                                                                    : std::string(text);
}

// Reads one file's lines into series; what is wrong with a line is a problem of its own.
class SeriesReader {
 public:
  explicit SeriesReader(const std::string& path) : path_(path), problems_(path) {}

  SeriesFile read() {
    const std::string text = read_utf8(path_);
    const std::string extension = to_lower(std::filesystem::path(path_).extension().string());
    const bool is_arff = extension == ".arff", has_header = is_arff || extension == ".ts";
    int line = 0;
    bool in_data = !has_header;
    for (std::string_view rest(text); !rest.empty();) {
      ++line;
      const auto end = rest.find('\n');
      const std::string_view row = trimmed(rest.substr(0, end));
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      if (row.empty() || (has_header && (row.front() == '#' || row.front() == '%'))) continue;
      if (!in_data)
        in_data = is_arff ? read_arff_header(row, line) : read_ts_header(row, line);
      else if (is_arff)
        add_arff(row, line);
      else if (has_header)
        add_ts(row, line);
      else
        add_table_row(row, line);
    }
    if (!in_data) problems_.add(line, "there is no @data", "what follows it are the series");
    problems_.throw_if_any();
    if (file_.series.empty())
      throw Error(ErrorCode::data, std::filesystem::path(path_).filename().string() + " holds no series", {.file = path_},
                  "give a file with at least one series");
    return std::move(file_);
  }

 private:
  // Each returns whether the data begins.
  bool read_ts_header(std::string_view row, int line) {
    const auto words = words_between_blanks(row);
    const std::string key = to_lower(words.front());
    const bool is_true = words.size() > 1 && to_lower(words[1]) == "true";
    if (key == "@timestamps" && is_true) problems_.add(line, "series with time stamps are not read", "write the values alone, at even distances");
    if (key == "@classlabel") file_.has_labels = is_true;
    if (key == "@classlabel" && is_true) file_.classes.assign(words.begin() + 2, words.end());
    if (key == "@targetlabel" && is_true) file_.has_numbers = true;
    return key == "@data";
  }

  bool read_arff_header(std::string_view row, int line) {
    const std::string lower = to_lower(row);
    if (lower.starts_with("@attribute")) {
      const auto open = row.find('{'), close = row.find('}');
      if (lower.find(" relational") != std::string::npos) is_relational_ = true;
      if (open != std::string_view::npos && close != std::string_view::npos && close > open) {
        file_.classes.clear();
        for (const auto name : parts_of(row.substr(open + 1, close - open - 1), ',')) file_.classes.emplace_back(without_quotes(name));
      } else if (lower.find(" string") != std::string::npos || lower.find(" date") != std::string::npos) {
        problems_.add(line, "an attribute is neither a number nor a list of labels: " + std::string(row.substr(0, 60)));
      }
    }
    return lower.starts_with("@data");
  }

  static std::string_view without_quotes(std::string_view text) {
    const bool quoted = text.size() > 1 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front();
    return quoted ? text.substr(1, text.size() - 2) : text;
  }

  void add_ts(std::string_view row, int line) {
    auto parts = parts_of(row, ':');
    LabelledSeries series{.channels = {}, .label = {}, .line = line};
    if (file_.has_labels || file_.has_numbers) {
      if (parts.size() < 2) return problems_.add(line, "a series has no label after its last `:`");
      series.label = std::string(parts.back());
      parts.pop_back();
    }
    for (const auto part : parts) add_channel(parts_of(part, ','), line, series);
    keep(std::move(series));
  }

  void add_arff(std::string_view row, int line) {
    const auto last = row.rfind(',');
    if (last == std::string_view::npos) return problems_.add(line, "a row has no label after its last `,`");
    LabelledSeries series{.channels = {}, .label = std::string(without_quotes(trimmed(row.substr(last + 1)))), .line = line};
    std::string_view values = trimmed(row.substr(0, last));
    if (is_relational_) {  // channels stand in one pair of quotes, with a written \n between them
      values = without_quotes(values);
      for (auto at = values.find("\\n"); at != std::string_view::npos; at = values.find("\\n")) {
        add_channel(parts_of(values.substr(0, at), ','), line, series);
        values.remove_prefix(at + 2);
      }
    }
    add_channel(parts_of(values, ','), line, series);
    keep(std::move(series));
  }

  void add_table_row(std::string_view row, int line) {
    const char separator = row.find('\t') != std::string_view::npos ? '\t' : row.find(',') != std::string_view::npos ? ',' : ' ';
    auto cells = separator == ' ' ? words_between_blanks(row) : parts_of(row, separator);
    LabelledSeries series{.channels = {}, .label = plain_label(cells.front()), .line = line};
    cells.erase(cells.begin());
    while (!cells.empty() && to_lower(cells.back()) == "nan") cells.pop_back();
    add_channel(cells, line, series);
    keep(std::move(series));
  }

  void add_channel(const std::vector<std::string_view>& cells, int line, LabelledSeries& series) {
    std::vector<double> values;
    const bool is_empty = cells.empty() || (cells.size() == 1 && cells.front().empty());
    if (is_empty) problems_.add(line, "an empty series", "remove it, or give it its values");
    for (std::size_t i = 0; !is_empty && i < cells.size(); ++i) {
      const auto value = number_of(cells[i]);
      if (value && std::isfinite(*value)) {
        values.push_back(*value);
        continue;
      }
      const bool is_missing = cells[i].empty() || cells[i] == "?" || (value && std::isnan(*value));
      problems_.add(
          line,
          "step " + std::to_string(i) + (is_missing ? " is missing" : " is `" + std::string(cells[i].substr(0, 40)) + "`, expected a finite number"),
          is_missing ? kFill : "");
      return;
    }
    series.channels.push_back(std::move(values));
  }

  void keep(LabelledSeries series) {
    if (series.channels.empty() || series.channels.front().empty()) return;  // is a problem already
    for (const auto& channel : series.channels) {
      if (channel.size() == series.channels.front().size()) continue;
      return problems_.add(series.line, "channels of " + std::to_string(series.channels.front().size()) + " and " + std::to_string(channel.size()) +
                                            " steps in one series");
    }
    if (!file_.series.empty() && series.channels.size() != file_.series.front().channels.size()) {
      return problems_.add(series.line,
                           std::to_string(series.channels.size()) + " channels, others have " + std::to_string(file_.series.front().channels.size()));
    }
    const bool is_listed = file_.classes.empty() || std::ranges::count(file_.classes, series.label) > 0;
    if (file_.has_labels && !file_.has_numbers && !is_listed)
      return problems_.add(series.line, "label `" + series.label + "` is not one that the file lists");
    file_.series.push_back(std::move(series));
  }

  std::string path_;
  FileProblems problems_;
  SeriesFile file_;
  bool is_relational_ = false;
};

}  // namespace

SeriesFile read_series(const std::string& path) { return SeriesReader(path).read(); }

}  // namespace dsc
