// WebP over libwebp; of an animation the first picture.
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "core/file.h"
#include "data/image_codecs.h"

namespace dsc {
namespace {

WebPBitstreamFeatures features_of(const std::string& path, const std::string& content) {
  WebPBitstreamFeatures features;
  const auto status = WebPGetFeatures(reinterpret_cast<const std::uint8_t*>(content.data()), content.size(), &features);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) fail_image(path, "it ends in its header");
  if (status != VP8_STATUS_OK) fail_image(path, "its WebP header is damaged");
  return features;
}

Raster first_of_animation(const std::string& path, const std::string& content, std::int64_t channels) {
  const WebPData data{reinterpret_cast<const std::uint8_t*>(content.data()), content.size()};
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(WebPAnimDecoderNew(&data, nullptr), WebPAnimDecoderDelete);
  WebPAnimInfo info;
  std::uint8_t* pixels = nullptr;
  int time = 0;
  if (!decoder || !WebPAnimDecoderGetInfo(decoder.get(), &info) || !WebPAnimDecoderGetNext(decoder.get(), &pixels, &time)) fail_image(path, "its WebP animation is damaged");
  return raster_of(pixels, info.canvas_width, info.canvas_height, 4, channels);
}

}  // namespace

ImageHeader webp_header(const std::string& path) {
  const auto features = features_of(path, read_file(path));
  return {.height = features.height, .width = features.width};
}

Raster decode_webp(const std::string& path, std::int64_t channels) {
  const std::string content = read_file(path);
  if (features_of(path, content).has_animation) return first_of_animation(path, content, channels);
  int width = 0, height = 0;
  const std::unique_ptr<std::uint8_t, void (*)(void*)> pixels(
      WebPDecodeRGB(reinterpret_cast<const std::uint8_t*>(content.data()), content.size(), &width, &height), WebPFree);
  if (!pixels) fail_image(path, "its WebP data is damaged or cut short");
  return raster_of(pixels.get(), width, height, 3, channels);
}

}  // namespace dsc
