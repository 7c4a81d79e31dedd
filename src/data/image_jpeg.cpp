// JPEG over libjpeg(-turbo).
#include <csetjmp>
#include <cstdio>
#include <memory>
#include <vector>

#include <jpeglib.h>
#include <jerror.h>

#include "data/image_codecs.h"

namespace dsc {
namespace {

// libjpeg leaves by a jump: what it jumps over must have no destructors, so all state lies here.
struct Session {
  jpeg_error_mgr errors{};
  jpeg_decompress_struct info{};
  std::jmp_buf exit{};
  char message[JMSG_LENGTH_MAX] = {};
  bool is_cut = false;
  std::vector<std::uint8_t> pixels;
};

void leave(j_common_ptr common) {
  auto* session = static_cast<Session*>(common->client_data);
  common->err->format_message(common, session->message);
  std::longjmp(session->exit, 1);
}

// Of its warnings only the one that half of the picture is made up.
void note(j_common_ptr common, int level) {
  if (level < 0 && common->err->msg_code == JWRN_JPEG_EOF) static_cast<Session*>(common->client_data)->is_cut = true;
}

// returns: false when libjpeg gave up, with its message.
bool read(Session& session, std::FILE* file, bool header_only) {
  auto& info = session.info;
  if (setjmp(session.exit)) return false;
  jpeg_stdio_src(&info, file);
  jpeg_read_header(&info, TRUE);
  if (header_only) return true;
  const bool has_black = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = has_black ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&info);
  const std::size_t stride = static_cast<std::size_t>(info.output_width) * static_cast<std::size_t>(info.output_components);
  session.pixels.resize(stride * info.output_height);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = session.pixels.data() + stride * info.output_scanline;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  return true;
}

std::unique_ptr<Session, void (*)(Session*)> run(const std::string& path, bool header_only) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) fail_image(path, "it cannot be opened");
  std::unique_ptr<Session, void (*)(Session*)> session(new Session, [](Session* s) {
    jpeg_destroy_decompress(&s->info);
    delete s;
  });
  session->info.err = jpeg_std_error(&session->errors);
  session->errors.error_exit = leave;
  session->errors.emit_message = note;
  session->info.client_data = session.get();
  jpeg_create_decompress(&session->info);
  if (!read(*session, file.get(), header_only)) fail_image(path, session->message);
  if (session->is_cut) fail_image(path, "it ends in the middle of the picture");
  return session;
}

// Adobe's files hold CMYK inverted, others as it is. In place: red, green and blue of each pixel's four bytes.
void cmyk_to_rgb(std::vector<std::uint8_t>& pixels, bool inverted) {
  const auto light = [inverted](std::uint8_t ink) { return inverted ? ink : 255 - ink; };
  for (std::size_t i = 0; i + 3 < pixels.size(); i += 4) {
    const int black = light(pixels[i + 3]);
    for (std::size_t c = 0; c < 3; ++c) pixels[i + c] = static_cast<std::uint8_t>((light(pixels[i + c]) * black + 127) / 255);
  }
}

}  // namespace

ImageHeader jpeg_header(const std::string& path) {
  const auto session = run(path, true);
  return {.height = session->info.image_height, .width = session->info.image_width};
}

Raster decode_jpeg(const std::string& path, std::int64_t channels) {
  const auto session = run(path, false);
  const std::int64_t step = session->info.output_components;
  if (step == 4) cmyk_to_rgb(session->pixels, session->info.saw_Adobe_marker);
  return raster_of(session->pixels.data(), session->info.output_width, session->info.output_height, step, channels);
}

}  // namespace dsc
