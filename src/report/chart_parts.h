// What charts are made of: axes, marks, texts. For report/*_chart.cpp; pages use charts.h.
//
// A chart is as wide as a telephone and drawn to scale, so that its texts have one size everywhere; wider pages show several in a row.
// Colours are classes (report/html_page.cpp), light and dark: f0 .. f7 fill, s0 .. s7 draw lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/charts.h"

namespace dsc::chart {

inline constexpr std::size_t kColours = 8;
inline constexpr double kWidth = 368, kHeight = 230, kLeft = 52, kRight = 14, kTop = 24, kBottom = 40;
inline constexpr double kCharacter = 6.8, kLine = 15;  // of the charts' 12 px text, on average

// A range with round ticks around the data.
struct Axis {
  double low = 0, high = 1, step = 1;
  double at(double value, double from, double to) const { return from + (value - low) / (high - low) * (to - from); }
  double x(double value) const { return at(value, kLeft, kWidth - kRight); }
  double y(double value) const { return at(value, kHeight - kBottom, kTop); }
};
Axis make_axis(double low, double high, Bounds bounds = {});
std::string draw_axes(const Axis& x, const Axis& y, const std::string& x_label, const std::string& y_label = {});

// `description`: what the chart shows, for those who do not see it. `before`: HTML between caption and drawing.
std::string open(const std::string& title, const std::string& description, double height = kHeight, const std::string& before = {});
inline constexpr const char* kClose = "</svg></figure>";

std::string text_at(double x, double y, const std::string& text, const char* anchor);
// The class of the `index`th colour: "f2", "s2".
std::string colour(char kind, std::size_t index);
std::string dot_at(double x, double y, double radius, const std::string& classes, const std::string& hover = {});
std::string polyline(const std::string& points, const std::string& classes);
// Text of at most so many characters: names of modules are told apart by their ends.
std::string shortened(const std::string& text, std::size_t most);
// Colours and their names, in HTML, which finds room for them at any width.
std::string legend(const std::vector<std::string>& names);

// Where the labels of dots go, so that none covers another.
class LabelPlaces {
 public:
  std::string put(double x, double y, const std::string& text);

 private:
  struct Box {
    double left, right, y;
  };
  std::vector<Box> boxes_;
};

}  // namespace dsc::chart
