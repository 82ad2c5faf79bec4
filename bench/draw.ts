// Draws bench/plots/ from what is kept in bench/results/: `npm run bench:plots`
import { drawKept } from './drawing/draw-plots.ts'

process.stdout.write(await drawKept())
