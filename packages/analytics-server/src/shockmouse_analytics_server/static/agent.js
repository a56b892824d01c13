(()=>{"use strict"
let en=document.currentScript||document.querySelector("script[data-key]")
let ew=window.shockmouse
if(!en||ew?.version)return
let eq=ew?.q||[]
let ej="0.1.0"
let b=en.dataset
let y=e=>b.autotrack?.split(/\s+/).includes(e)??e!=="hash"
let ez=navigator.globalPrivacyControl||navigator.doNotTrack==="1"
let eA=b.privacy||"balanced"
let ea=ez||!/^(balanced|full)$/i.test(eA)?"strict":eA.toLowerCase()
let eo=+b.sampleRate
let ei=eo>0&&eo<1?eo:1
let M=new URL(b.events||"v1/events",new URL(b.endpoint?.replace(/\/?$/,"/")||en.src,location))
M.searchParams.set("key",b.key)
let er=6e4
let eB=6e4
let eC="Shockmouse-Session"
let eD=()=>{}
let p=t=>(...n)=>{try{let e=t(...n)
e?.catch?.(eD)
return e}catch{}}
let m=(N,e)=>N.split(" ").forEach(t=>addEventListener(t,p(e),true))
let j=(e,z)=>(""+e).slice(0,z).replace(/[\ud800-\udbff]$/,"")
let eE=0
let F=()=>{let e="0"+(eE=Math.max(eE+1,Date.now())).toString(16)
let t=[...crypto.getRandomValues(new Uint8Array(18))]
let n=()=>(t.pop()&15).toString(16)
return e.slice(0,8)+"-"+e.slice(8)+"-7xxx-axxx-xxxxxxxxxxxx".replace(/x/g,n)}
let O="shockmouse."
let ta=p((e,t=localStorage)=>t.getItem(O+e))
let A=p((e,t,n=localStorage)=>n.setItem(O+e,t))
let es=p((e,t=localStorage)=>t.removeItem(O+e))
let N=P=>Object.keys(localStorage).filter(e=>e.startsWith(O+P))
let Q=(e,t,n)=>t.exec(ta(e,n))?.[0]
let G=b.consent==="given"&&"yes"
let R=()=>(ez&&b.gpc==="drop"?"no":Q("consent",/^(yes|no)$/)||G)
let eF=()=>Q("device",/^[\w-]{36}$/)
let ec=()=>eF()||(A("device",F()),eF())
let B=()=>(R()==="yes"&&ea!=="strict"&&ec()?ea:"strict")
let g
let to=e=>{let t=/^{"id":"[\w-]{36}","started":\d{13},"last":\d{13}}$/
g=p(JSON.parse)(Q("session",t,sessionStorage))||g
if(!g||e-g.last>30*er||e-g.started>1440*er)
g={id:F(),started:e}
g.last=e
A("session",JSON.stringify(g),sessionStorage)
return g}
let S=e=>new TextEncoder().encode(e)
let ed=t=>{let e=0x811c9dc5
for(let n of S(t))e=Math.imul(e^n,0x01000193)
e=Math.imul(e^(e>>>16),0x85ebca6b)
e=Math.imul(e^(e>>>13),0xc2b2ae35)
return(e^(e>>>16))>>>0}
let{userAgentData:el,language:eG}=navigator
let T=e=>(B()==="full"?e:Math.round(e/100)*100)
let U
let ti=t=>{let e={platform:el?.platform||navigator.platform,touch:navigator.maxTouchPoints>0,mobile:el?.mobile,viewport:T(innerWidth)+"x"+T(innerHeight),pixel_ratio:devicePixelRatio,dark:matchMedia("(prefers-color-scheme:dark)").matches}
if(t!=="strict")
Object.assign(e,{cores:navigator.hardwareConcurrency,memory:navigator.deviceMemory,color_depth:screen.colorDepth,gamut:["rec2020","p3","srgb"].find(a=>matchMedia("(color-gamut:"+a+")").matches),hdr:matchMedia("(dynamic-range:high)").matches})
if(t==="full"){let{vendor:o}=navigator
Object.assign(e,{languages:""+navigator.languages,vendor:o,math:Math.tan(-1e300)},U)
if(!U){U={}
el?.getHighEntropyValues(["architecture","model","platformVersion","uaFullVersion"]).then(r=>{U={...r,brands:undefined}
eu=0},eD)}}
let n=b.key+JSON.stringify(e)
return{hash:ed(n).toString(16)+ed(n+1).toString(16),signals:e}}
let tr
let ts=t=>{let e=navigator.webdriver||undefined
if(t==="strict")return{webdriver:e,locale:eG.split("-")[0]}
return{webdriver:e,locale:eG,timezone:(tr??=Intl.DateTimeFormat().resolvedOptions().timeZone),screen:{width:T(screen.width),height:T(screen.height)}}}
let tc=F()
let td=0
let f=[]
let ep,eH,h,eu,H
let v=(s,n,c,d,l=h)=>{if(R()==="no")return
let a=Date.now()
let e=B()
let t=e!=="strict"&&to(a)
let o=t?ec():undefined
if(t&&ei<1&&ed(o)>=ei*2**32)return
let r={event_id:F(),type:s,name:n&&j(n,255),timestamp:new Date(a),properties:c,user_id:eH,device_id:o,session_id:t.id,session_started_at:t?new Date(t.started):undefined,privacy:e,sample_rate:ei,boot_id:tc,seq:td++,context:{page:l},user_properties:d,}
if(eu!==e)r.fingerprint=ti((eu=e))
let u={name:"shockmouse-agent",version:ej}
let tx={library:u,context:ts(e),dropped:H&&{too_large:H}}
H=undefined
f.push([JSON.stringify(r),JSON.stringify(tx)])
ep??=setTimeout(p(em),1000)}
let I=new Map()
let eI=s=>{ep=clearTimeout(ep)
if(!f.length)return
let t=F()
let[[c,n]]=f
let a='{"batch_id":"'+t+'",'+n.slice(1,-1)+',"events":['
let e=1
for(let o=S(a+c).length;f[e]?.[1]===n;e++){o+=S(f[e][0]).length+1
if(o>s)break}
let r=f.splice(0,e)
return[t,a+r.map(([d])=>d)+"]}",r]}
let eJ=e=>'{"sent_at":"'+new Date().toJSON()+'",'+e.slice(1)
let eK=e=>{I.delete(e)
es("batch."+e)}
let eL=()=>{if(B()!=="strict")
for(let e of N("batch.")){let t=Q(e.slice(11),/^{"batch_id".*/s)
if(t)I.set(e.slice(17),t)}
return[...I].sort()}
let eh=p((e,t)=>{I.set(e,t)
if(B()!=="strict")A("batch."+e,t)
let n=0
for(let[e,t]of eL().reverse()){if((n+=t.length)>256e3)eK(e)}})
let V=0
let z=eB
let eM
let eg=async(o,e,n)=>{let r=S(e).length
let t,s
try{let a=await fetch(M,{method:"POST",body:eJ(e),keepalive:r<=eB,signal:AbortSignal.timeout?.(3e4)})
t=a.status
s=a.headers.get("retry-after")*1000
await a.text()}catch{}
if(t&&!/40[1348]|429|5../.test(t)){V=0
eK(o)
if(t===413){z=Math.min(z,r/2)
if(n?.[1])f=n.concat(f)
else H=(H||0)+(n||JSON.parse(e).events).length}
return true}
eh(o,e)
clearTimeout(eM)
eM=setTimeout(W,Math.min((s||0)+Math.random()*500*2**++V,5*er))}
let eN=async()=>{for(let[e,t]of eL())if(R()==="no"||!(await eg(e,t)))return}
let W=p(()=>navigator.locks?.request("shockmouse",eN)??eN())
let em=async()=>{for(let e;(e=eI(z));)V?eh(...e):await eg(...e)}
let tl=e=>p(()=>fetchLater(M,{method:"POST",body:e,activateAfter:0}))()||p(()=>navigator.sendBeacon(M,e))()
let eO=()=>{let e=navigator.onLine&&(!V||B()==="strict")
for(let n=z;f.length;){let[a,t,o]=eI(n)
if(e&&tl(eJ(t)))continue
if(e&&(n/=2)>500)f=o.concat(f)
else{eh(a,t)
if(e)eg(a,t,o).then(em)}}}
let eP=n=>{let{origin:a,pathname:e,search:o}=location
let t=y("hash")?location.hash:""
let r=t?e.replace(/\/$/,"")+t.replace(/^#\/?/,"/"):e
return{url:a+e+o+t,path:r,title:document.title,referrer:h&&!n?h.url:document.referrer}}
let ef=(t,n)=>{let e=eP(n)
if(h&&!n&&h[t]===e[t])return(h.url=e.url)
if(h)eQ()
for(let a of k.keys())if(!a.isConnected)X(a,"abandon")
h=e
Y=0
eR()
if(y("pages"))v("page",h.title)}
let ev=e=>()=>setTimeout(p(ef),0,e)
let eb=p((e,t,n)=>{let a=e[t]
e[t]=function(...o){let r=a.apply(this,o)
p(n)(this)
return r}})
let Y=0
let Z=0
let C=0
let eR=()=>{let e=((scrollY+innerHeight)/document.documentElement.scrollHeight)*100
Y=Math.min(Math.max(Y,Math.round(e)),100)}
let J=()=>{let e=performance.now()
if(C)Z+=e-C
C=!document.hidden&&document.hasFocus()?e:0}
let eQ=()=>{J()
if(Z<100)return
if(y("scroll"))
v("performance","engagement",{scroll_percent:Y,engaged_ms:Math.round(Z)})
Z=0}
let eS="a,button,summary,[role=button],[role=link]"
let tu=eS+",[role=tab],[role^=menuitem],[data-shockmouse-name],select,input,textarea"
let tp=/\.(pdf|zip|t?gz|7z|rar|dmg|exe|msi|deb|apk|iso|csv|(xls|doc|ppt)x?|mp[34]|epub)$/i
let eT=e=>e.composedPath().filter(t=>t.nodeType===1)
let ey=e=>e.some(t=>t.closest("[data-shockmouse-ignore]"))
let tm=e=>{let t={tag:e.localName}
for(let{name:n,value:r}of e.attributes){let a={id:"id",class:"classes","aria-label":"label"}[n]||(n.startsWith("data-shockmouse-")&&n.slice(16))
if(a)t[a]=j(r,200)}
let o=":read-write,textarea,select"
if(e.matches(eS)&&!e.matches(o)&&!e.querySelector(o))
t.text=j(e.textContent.replace(/\s+/g," ").trim(),80)
return t}
let ek=[]
let K
let th=o=>{let n=eT(o)
let t=n.find(a=>a.matches("a[href]"))
if(!n[0]||n[0]===K||o.button>(t?1:0))return
let r=n.find(a=>a.control?.labels||a.matches(tu))
K=r?.control
setTimeout(()=>(K=0))
let s=!K?.labels||r.matches("[data-shockmouse-name]")?r:K
if(ey(n.concat(s||[])))return
let e=tm(s||n[0])
if(/^https?:$/.test(t?.protocol)){e.href=t.origin+t.pathname
if(y("outbound")&&t.host!==location.host)e.outbound=true
if(y("downloads")&&(t.hasAttribute("download")||tp.test(t.pathname)))e.download=true}
let{timeStamp:d,clientX:l,clientY:u,detail:tx}=o
ek=ek.filter(c=>d-c.at<1000&&Math.hypot(l-c.x,u-c.y)<=30)
if(tx&&ek.push({at:d,x:l,y:u})===3)e.rage=true
if(y("clicks")?s||e.rage:e.outbound||e.download)
v("click",e.name||e.label||e.text||e.id||e.tag,e)}
let k=new Map()
let tg=/pass|^hidden|card|cc-|cvc|cvv|iban|ssn|secret|token|pin$/i
let tf=o=>{let n=eT(o)
let{form:e,name:r,id:s,type:c,autocomplete:d}=n[0]
if(!e||ey(n))return
if(!k.has(e))k.set(e,{since:performance.now(),fields:[]})
let{fields:a}=k.get(e)
let t=j(r||s,80)
if(t&&!tg.test(c+d+t)&&!a.includes(t))a.push(t)}
let X=(e,a)=>{let{since:C=0,fields:o=[]}=k.get(e)||{}
k.delete(e)
if(ey([e]))return
let t=e.getAttribute("name")||e.getAttribute("id")||undefined
let n=new URL(e.getAttribute("action")||"",location).pathname
v("form",t||n,{form:t,action:n,fields:o,outcome:a,duration_ms:C&&Math.round(performance.now()-C)})}
let eU=[]
let D=p((e,a,o)=>{if(!PerformanceObserver.supportedEntryTypes.includes(e))return
let t=p(r=>r.forEach(a))
let n=new PerformanceObserver(s=>t(s.getEntries()))
n.observe({type:e,buffered:true,...o})
eU.push(()=>t(n.takeRecords()))})
let eV=()=>performance.getEntriesByType("navigation")[0]
let x,_,L,eW,w,E,ex,ee,et,eX
let eY=e=>{let t=(x={TTFB:e?0:undefined,CLS:0})
L=e
_=e||eV()?.activationStart||0
eW=e||document.hidden
w={sum:0}
E=new Map()
ex=performance.interactionCount||0
ee=et=0
eX=h
if(e)
requestAnimationFrame(()=>requestAnimationFrame(()=>(t.FCP=t.LCP=performance.now()-_)))}
let eZ=e=>({startTime:t})=>{if(!eW)x[e]=Math.max(t-_,0)}
let tv=()=>{eY(0)
D("paint",o=>o.name==="first-contentful-paint"&&eZ("FCP")(o))
D("largest-contentful-paint",eZ("LCP"))
D("layout-shift",({startTime:e,value:s,hadRecentInput:c})=>{if(c||e<L)return
if(!(w.sum&&e-w.last<1000&&e-w.first<5000))
w={sum:0,first:e}
w.last=e
x.CLS=Math.max(x.CLS,(w.sum+=s))})
let r=({interactionId:n,startTime:e,duration:a})=>{if(!n||e<L)return
E.set(n,Math.max(E.get(n)||0,a))
let t=[...E].sort((d,l)=>l[1]-d[1])
if(t.length>10)E.delete(t.pop()[0])
let u="interactionCount"in performance?performance.interactionCount-ex:E.size
x.INP=t[Math.min(t.length-1,Math.floor(u/50))][1]}
D("event",r,{durationThreshold:40})
D("first-input",r)
D("longtask",({duration:a})=>{ee++
et=Math.max(et,a)})}
let tb=()=>{eU.forEach(a=>a())
let e=x
if(!e)return
x=undefined
if(!L)e.TTFB=Math.max(eV()?.responseStart-_,0)
if(!e.FCP)delete e.CLS
if(L&&performance.interactionCount>ex)e.INP??=8
let n=(t,o)=>v("performance",t,o,undefined,eX)
for(let t in e)if(e[t]>=0)n(t,{value:+e[t].toFixed(4)})
if(ee)n("longtask",{count:ee,duration_ms:Math.round(et)})}
let e_=e=>new URL(e,document.baseURI).origin===location.origin&&B()!=="strict"&&g&&"01;s="+g.id+";d="+ec()
let ty=p((e,t)=>{let n=!t?.url&&e_(e.url||e)
if(!n)return
let a=new Headers(t?.headers||e.headers)
a.set(eC,n)
return{...t,headers:a}})
let tk=()=>{let{fetch:r,XMLHttpRequest:{prototype:e}}=window
window.fetch=(t,n)=>r(t,ty(t,n)||n)
let{open:s}=e
e.open=function(...a){s.apply(this,a)
p(()=>{let o=e_(a[1])
if(o)this.setRequestHeader(eC,o)})()}}
let e$={track:(e,t)=>v("track",e,t),page:(e,t)=>{h=eP()
v("page",e||h.title,t)},identify:(n,t)=>{eH=n?j(n,256):undefined
v("identify",undefined,undefined,t)},optIn:()=>{G="yes"
if(ea!=="strict")A("consent",G)
v("consent","given",{analytics:true})},optOut:()=>{v("consent","withdrawn",{analytics:false})
eO()
G="no"
I.clear()
p(()=>N("").forEach(e=>localStorage.removeItem(e)))()
A("consent",G)
es("session",sessionStorage)},flush:()=>em().then(W),}
let te=(window.shockmouse={version:ej})
for(let e in e$)
te[e]=p((...t)=>(h?e$[e](...t):eq.push([e,...t])))
let tt=()=>{let e={"#shockmouse-ignore":"no","#shockmouse-count":"yes"}[location.hash]
if(!e)return
e==="no"?A("consent",e):es("consent")
alert("Visits from this browser are counted: "+(R()==="no"?"no":"yes"))}
let P=()=>{tt()
if(b.join!==undefined)tk()
ef()
for(let[d,...l]of eq)te[d]?.(...l)
J()
eb(history,"pushState",ev("url"))
eb(history,"replaceState",ev("path"))
m("popstate hashchange",ev("url"))
m("hashchange",tt)
m("focus blur",J)
m("scroll",eR)
m("online",()=>setTimeout(W,Math.random()*1000))
m("click auxclick",th)
let n=()=>{tb()
eQ()
eO()}
m("visibilitychange",()=>{J()
if(document.hidden)n()})
m("pagehide",()=>{for(let t of k.keys())X(t,"abandon")
n()})
m("pageshow",({persisted:u,timeStamp:tx})=>{if(!u)return
ef("",true)
J()
if(y("vitals"))eY(tx)})
if(y("vitals"))tv()
if(y("forms")){m("input change",tf)
m("submit",({target:tw})=>X(tw,"submit"))
eb(HTMLFormElement.prototype,"submit",t=>k.has(t)&&X(t,"submit"))}
if(y("errors")){let a=new Set()
let o=(e,r,s,tq)=>{let{size:c}=a
if(c<20&&a.add(e+r+s).size>c)
v("error",e,{message:j(e,500),file:r,line:s,column:tq})}
m("error",({message:e,filename:tj,lineno:tz,colno:tA})=>e&&o(e,tj?.split("?")[0],tz,tA))
m("unhandledrejection",({reason:tB})=>o(tB?.message||"unhandled rejection"))}
W()}
let tn=()=>document.readyState==="loading"?m("DOMContentLoaded",P):p(P)()
document.prerendering?m("prerenderingchange",tn):tn()})()
