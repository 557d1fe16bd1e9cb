-- luacheck: no max line length (markup)
-- Pieces of SVG: what the pictures of weft.trace and weft.plot share.

local M = {}

-- Colours that keep apart for most eyes, on white and on black.
M.COLORS = { "#4c8dd9", "#e08b3c", "#3fa66b", "#c95d9b", "#8a74d6", "#2fa3a8", "#c2a52f", "#d4615e" }

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

-- Any text as text of XML: bytes and characters that XML does not know become question marks.
function M.escape(text)
  text = require("weft.term").clean(text)
  return (text:gsub('[&<>"]', ESCAPES))
end

-- A coordinate: two decimals at most.
function M.number(v)
  local text = ("%.2f"):format(v)
  return (text:gsub("%.?0+$", ""))
end

function M.color(i) return M.COLORS[(i - 1) % #M.COLORS + 1] end

-- About n round values from a to b: a list, and the distance between two of them.
function M.ticks(a, b, n)
  local raw = (b - a) / math.max(1, n)
  if raw <= 0 then return { a }, 1 end
  local power = 10.0 ^ math.floor(math.log(raw, 10))
  local step = power * 10
  for _, k in ipairs { 1, 2, 5 } do
    if raw <= power * k * 1.0001 then step = power * k break end
  end
  local list = {}
  for i = math.ceil(a / step - 1e-9), math.floor(b / step + 1e-9) do list[#list + 1] = i * step end
  return list, step
end

-- The document: size, a style that follows the reader's light or dark, the pieces.
function M.document(width, height, pieces, style)
  local head = ([[
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" font-family="system-ui, 'Segoe UI', Roboto, sans-serif" font-size="12">
<style>
.bg{fill:#fff}.t{fill:#1d2530}.d{fill:#677383}.g{stroke:#e4e8ee}.a{stroke:#8894a5}.s{fill:#f5f7fa}
@media (prefers-color-scheme:dark){.bg{fill:#14181f}.t{fill:#e6eaf0}.d{fill:#8d99a9}.g{stroke:#28303b}.a{stroke:#5b6675}.s{fill:#1a2029}}
%s</style>
<rect class="bg" width="%s" height="%s"/>
]]):format(M.number(width), M.number(height), M.number(width), M.number(height), style or "", M.number(width), M.number(height))
  table.insert(pieces, 1, head)
  pieces[#pieces + 1] = "</svg>\n"
  return pieces
end

return M
