-- Queens, a sieve, floats, strings, sorting, closures, coroutines; as often as the argument says.
local function queens(n)
  local found, cols, up, down = 0, {}, {}, {}
  local function place(r)
    if r > n then found = found + 1 return end
    for c = 1, n do
      if not (cols[c] or up[r + c] or down[r - c + n]) then
        cols[c], up[r + c], down[r - c + n] = true, true, true
        place(r + 1)
        cols[c], up[r + c], down[r - c + n] = nil, nil, nil
      end
    end
  end
  place(1)
  return found
end
local function sieve(n)
  local out, count = {}, 0
  for i = 2, n do
    if not out[i] then count = count + 1 for j = i * i, n, i do out[j] = true end end
  end
  return count
end
local function bodies(steps)
  local x, v = { 1.0, -0.5, 3.25 }, { 0.1, 0.2, -0.3 }
  for _ = 1, steps do
    for i = 1, 3 do
      local a = 0.0
      for j = 1, 3 do if j ~= i then local d = x[j] - x[i] a = a + d / (math.abs(d) ^ 1.5 + 0.01) end end
      v[i] = v[i] + a * 0.001
    end
    for i = 1, 3 do x[i] = x[i] + v[i] * 0.001 end
  end
  return string.format("%.14g %.14g %.14g", x[1], x[2], x[3])
end
for _ = 1, tonumber(arg[1]) do
  print(queens(7), sieve(50000), bodies(8000))
  local words = {}
  for i = 1, 5000 do words[i] = string.format("%08x", (i * 2654435761) & 0xffffffff) end
  table.sort(words)
  print(words[1], words[2500], #table.concat(words, ","), (table.concat(words):gsub("[a-f]", "")):sub(1, 32))
  local co = coroutine.wrap(function() for i = 1, 12000 do coroutine.yield(i) end return 0 end)
  local sum = 0
  repeat local v = co() sum = sum + v until v == 0
  print(sum)
end
