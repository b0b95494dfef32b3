import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// `npm run dev` beside `python run.py`: the page is built anew as you save it, the server stays.
const server = { proxy: Object.fromEntries(['/runs', '/chats', '/counts'].map((path) => [path, 'http://127.0.0.1:8000'])) }

export default defineConfig({ plugins: [react()], server })
